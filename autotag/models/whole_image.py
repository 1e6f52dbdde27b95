"""The detector that finds nothing, for archives whose images are tagged as wholes only."""

from collections.abc import Sequence

from autotag.domain.regions import Region, RgbImage
from autotag.models.specs import ModelSpec

_FINGERPRINT = "whole-p1"


class WholeImageDetector:
    """Returns no objects, so that region 0, the whole image, is the only region left."""

    @property
    def fingerprint(self) -> str:
        """Constant: there are no weights."""
        return _FINGERPRINT

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """An empty list for each image."""
        return [[] for _ in images]


def load_whole_image_detector(spec: ModelSpec) -> WholeImageDetector:  # noqa: ARG001 - the registry's signature
    """The detector; nothing of the spec matters to it."""
    return WholeImageDetector()


def whole_image_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001
    """Its fingerprint."""
    return _FINGERPRINT
