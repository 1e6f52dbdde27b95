"""Boxes of everything a Segment Anything model can tell apart: `sam:<weights>`. No class names.

Takes the checkpoints of mobile_sam.pt, sam_*.pt, sam2_*.pt, sam2.1_*.pt and sam3*.pt as ultralytics publishes them; the file name
says which network to build. A grid of points is laid over the image and each point's best masks are kept if the network believes
in them (Kirillov et al., Segment Anything, 2023, arXiv 2304.02643); the box around each mask is the answer.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autotag.domain.regions import Region, RgbImage
from autotag.errors import SettingsError
from autotag.models.devices import open_device, runs_half
from autotag.models.specs import ModelSpec
from autotag.models.tensor_files import read_tensors, unreadable
from autotag.models.unnamed_regions import unnamed_regions
from autotag.models.weights import find_weights, make_fingerprint, weights_sha256

PREPROCESSING_VERSION = 1
_REMEDY = (
    "download it from the releases of ultralytics/assets on GitHub (sam3.pt: from its page on Hugging Face, after asking for "
    "access) and put it there, or set paths.weights to the directory that holds it"
)


@dataclass(frozen=True)
class SegmentEverything:
    """How densely an image is asked for segments, and which ones are believed. Defaults are those of the paper's code.

    Attributes:
        points_per_side: the grid has this many points in each direction.
        points_per_pass: points that go through the mask decoder together.
        min_quality: masks whose predicted overlap with a true one is lower are dropped.
        min_stability: masks that change more when their threshold moves are dropped.
        max_overlap: of two boxes with a larger intersection over union, the better one stays.
        image_size_px: side of the square the network sees; 0 is the network's own (1024, SAM 3: 1008).
    """

    points_per_side: int = 32
    points_per_pass: int = 64
    min_quality: float = 0.88
    min_stability: float = 0.95
    max_overlap: float = 0.7
    image_size_px: int = 0


class SamDetector:
    """Class-less boxes of the segments of an image; boxes that are nearly the whole image are left out."""

    def __init__(self, weights: Path, spec: ModelSpec, how: SegmentEverything, fingerprint: str) -> None:
        """Build the network that the file's name stands for, load the file into it and move it to `spec.device`.

        Raises:
            MissingWeightsError: the file holds another network, or objects that could run code.
            SettingsError: a file name that stands for no known network, or a device that is not there.
        """
        device = open_device(spec)
        network, predictor_class, own_size_px = _build(weights)
        self._how = how
        self._image_size_px = how.image_size_px or own_size_px
        self._fingerprint = fingerprint
        overrides = {
            "conf": how.min_quality,
            "iou": how.max_overlap,
            "imgsz": self._image_size_px,
            "device": str(device),
            "quantize": 16 if runs_half(spec, device) else None,
            "verbose": False,
            "save": False,
        }
        self._predictor = predictor_class(overrides=overrides)
        self._predictor.callbacks = defaultdict(list)  # its own ones report usage
        self._predictor.setup_model(model=network, verbose=False)

    @property
    def fingerprint(self) -> str:
        """File name without suffix + weights hash + preprocessing version."""
        return self._fingerprint

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Segments of each image, scored by the network's own belief in the mask; boxes inside the image.

        Images go through one by one: the network's decoder already works on a batch of points.
        """
        return [unnamed_regions(self._boxes(image), image) for image in images]

    def _boxes(self, image: RgbImage) -> np.ndarray:
        height, width = image.shape[:2]
        seen = _shrink(image, self._image_size_px)
        bgr = np.ascontiguousarray(seen[:, :, ::-1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = self._predictor(
                bgr,
                points_stride=self._how.points_per_side,
                points_batch_size=self._how.points_per_pass,
                conf_thres=self._how.min_quality,
                stability_score_thresh=self._how.min_stability,
            )[0]
        boxes = result.boxes.data[:, :5].float().cpu().numpy().reshape(-1, 5)
        scale = np.array([width / seen.shape[1], height / seen.shape[0]] * 2 + [1.0], np.float32)
        return boxes * scale


def _shrink(image: RgbImage, side_px: int) -> RgbImage:
    """The image with its long edge at most `side_px`: what the network sees anyway, and masks come at this size."""
    import cv2

    height, width = image.shape[:2]
    ratio = side_px / max(height, width)
    if ratio >= 1:
        return image
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _build(weights: Path) -> tuple[Any, Any, int]:
    """The network with its weights, the ultralytics predictor that drives it, and the side of its input in pixels."""
    from ultralytics.models.sam.build import sam_model_map
    from ultralytics.models.sam.predict import Predictor, SAM2Predictor, SAM3Predictor

    tensors = read_tensors(weights)
    if "sam3" in weights.stem:
        from ultralytics.models.sam.build_sam3 import build_interactive_sam3

        # It opens the file itself, which is safe after the read above, and ignores keys it does not know: look for its two halves.
        keys = set(tensors["model"] if isinstance(tensors.get("model"), dict) else tensors)
        del tensors
        if not all(any(key.startswith(half) for key in keys) for half in ("detector.", "tracker.")):
            raise unreadable(weights, KeyError("it holds no SAM 3 network"))
        return build_interactive_sam3(str(weights)), SAM3Predictor, 1008
    builders = [build for name, build in sam_model_map.items() if weights.name.endswith(name)]
    if not builders:
        known = ", ".join([*sam_model_map, "sam3.pt"])
        raise SettingsError(
            f"the name of {weights} stands for no SAM network; name it as published: {known}."
        )
    network = builders[-1](None)
    nested = tensors.get("model")
    try:
        network.load_state_dict(nested if isinstance(nested, dict) else tensors)
    except RuntimeError as error:
        raise unreadable(weights, error) from error
    return network, SAM2Predictor if "sam2" in weights.stem else Predictor, 1024


def load_sam_detector(spec: ModelSpec, how: SegmentEverything | None = None) -> SamDetector:
    """Load `sam:<weights>`.

    Raises:
        MissingWeightsError: no such file, or one that holds another network.
        SettingsError: a file name that stands for no known network, or a device that is not there.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    fingerprint = sam_detector_fingerprint(spec, fetch=False)
    return SamDetector(weights, spec, how or SegmentEverything(), fingerprint)


def sam_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001 - nothing to fetch
    """The fingerprint from the file alone.

    Raises:
        MissingWeightsError: no such file.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    return make_fingerprint(weights.stem, weights_sha256(weights, spec.cache_dir), PREPROCESSING_VERSION)
