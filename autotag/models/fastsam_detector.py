"""Boxes of everything FastSAM can tell apart: `fastsam:<weights>`, e.g. `fastsam:FastSAM-s.pt`. No class names.

FastSAM is a YOLO segmentation network trained on one class, "object" (Zhao et al., Fast Segment Anything, 2023,
arXiv 2306.12156); only its boxes are used here.
"""

from collections.abc import Sequence

from autotag.domain.regions import Region, RgbImage
from autotag.models.box_network import BoxNetwork, BoxRules
from autotag.models.specs import ModelSpec
from autotag.models.unnamed_regions import unnamed_regions
from autotag.models.weights import find_weights, make_fingerprint, weights_sha256

PREPROCESSING_VERSION = 1
# Parts overlap their wholes on purpose, so FastSAM's authors keep boxes up to an overlap of 0.9.
RULES = BoxRules(min_score=0.1, max_overlap=0.9, max_boxes=300)
_REMEDY = (
    "download FastSAM-s.pt or FastSAM-x.pt from the releases of ultralytics/assets on GitHub and put it there, "
    "or set paths.weights to the directory that holds it"
)


class FastSamDetector:
    """Class-less boxes of the segments of an image; boxes that are nearly the whole image are left out."""

    def __init__(self, network: BoxNetwork, fingerprint: str) -> None:
        """`network` is loaded; `fingerprint` belongs to its weights."""
        self._network = network
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """File name without suffix + weights hash + preprocessing version."""
        return self._fingerprint

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Segments of each image by falling score, from a score of 0.1 up; boxes inside the image."""
        return [
            unnamed_regions(boxes[:, :5], image)
            for boxes, image in zip(self._network.boxes(images), images, strict=True)
        ]


def load_fastsam_detector(spec: ModelSpec) -> FastSamDetector:
    """Load `fastsam:<weights>`.

    Raises:
        MissingWeightsError: no such file, or not a checkpoint.
        SettingsError: a network without upright boxes, or a device that is not there.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    return FastSamDetector(BoxNetwork(weights, spec, RULES), fastsam_detector_fingerprint(spec, fetch=False))


def fastsam_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001 - nothing to fetch
    """The fingerprint from the file alone.

    Raises:
        MissingWeightsError: no such file.
    """
    weights = find_weights(spec, spec.argument, _REMEDY)
    return make_fingerprint(weights.stem, weights_sha256(weights, spec.cache_dir), PREPROCESSING_VERSION)
