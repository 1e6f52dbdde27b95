"""Objects with class names from a YOLO checkpoint: `yolo:<weights>`, e.g. `yolo:yolo11s.pt`."""

from collections.abc import Sequence

from autotag.domain.regions import Region, RgbImage, clip_box
from autotag.models.box_network import Boxes, BoxNetwork, BoxRules
from autotag.models.specs import ModelSpec
from autotag.models.weights import find_weights, make_fingerprint, weights_sha256

PREPROCESSING_VERSION = 1
_REMEDY = (
    "download it from the releases of ultralytics/assets on GitHub (or train one) and put it there, "
    "or set paths.weights to the directory that holds it"
)


class YoloDetector:
    """Boxes of a detection, segmentation or pose network of the YOLO family, with the network's own class names."""

    def __init__(self, network: BoxNetwork, fingerprint: str) -> None:
        """`network` is loaded; `fingerprint` belongs to its weights."""
        self._network = network
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """File name without suffix + weights hash + preprocessing version."""
        return self._fingerprint

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Objects of each image by falling score, from a score of 0.05 up; boxes inside the image, at least a pixel large."""
        return [
            _regions(boxes, image, self._network.class_names)
            for boxes, image in zip(self._network.boxes(images), images, strict=True)
        ]


def _regions(boxes: Boxes, image: RgbImage, class_names: dict[int, str]) -> list[Region]:
    height, width = image.shape[:2]
    found = []
    for *corners, score, number in boxes.tolist():
        box = clip_box(corners, width, height)
        region = Region("object", box, class_names.get(int(number), ""), min(max(score, 0.0), 1.0))
        if region.area_px > 0:
            found.append(region)
    return found


def load_yolo_detector(spec: ModelSpec) -> YoloDetector:
    """Load `yolo:<weights>`.

    Raises:
        MissingWeightsError: no such file, or not a checkpoint.
        SettingsError: a network without upright boxes, or a device that is not there.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    return YoloDetector(BoxNetwork(weights, spec, BoxRules()), yolo_detector_fingerprint(spec, fetch=False))


def yolo_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001 - nothing to fetch
    """The fingerprint from the file alone.

    Raises:
        MissingWeightsError: no such file.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    return make_fingerprint(weights.stem, weights_sha256(weights, spec.cache_dir), PREPROCESSING_VERSION)
