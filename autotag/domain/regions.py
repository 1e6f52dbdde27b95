"""Regions: boxes in an image, the rules that keep or drop them, and the pixels they cut.

Pixel convention everywhere: RGB, uint8, (height, width, 3), after EXIF orientation. Boxes are
`x0, y0, x1, y1` in pixels of that image, origin top left, x1 and y1 exclusive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

RgbImage = npt.NDArray[np.uint8]
RegionKind = Literal["image", "object"]


@dataclass(frozen=True, slots=True)
class Region:
    """One box in an image.

    Attributes:
        kind: "image" for region 0, the whole picture; "object" for the rest.
        box_xyxy_px: x0, y0, x1, y1 in pixels, x1 and y1 exclusive.
        class_name: the detector's word for it; empty where it has none.
        score: the detector's confidence in [0, 1]; 1.0 for the whole image.
    """

    kind: RegionKind
    box_xyxy_px: tuple[int, int, int, int]
    class_name: str = ""
    score: float = 1.0

    @property
    def area_px(self) -> int:
        """Area of the box in pixels."""
        x0, y0, x1, y1 = self.box_xyxy_px
        return max(0, x1 - x0) * max(0, y1 - y0)


@dataclass(frozen=True, slots=True)
class RegionRules:
    """Which detections are worth a crop.

    Attributes:
        min_area_px: smaller boxes are dropped.
        score_threshold: detections below this confidence are dropped.
        max_regions: objects kept an image, best score first; the whole image comes on top.
    """

    min_area_px: int = 1024
    score_threshold: float = 0.4
    max_regions: int = 8


def whole_image(width: int, height: int) -> Region:
    """Region 0 of every image."""
    return Region(kind="image", box_xyxy_px=(0, 0, width, height))


def clip_box(box_xyxy: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Round a float box outwards to whole pixels and clip it to the image.

    The result may have no area when the box lies outside; a box that is not finite clips to an empty one.
    """
    values = np.asarray(box_xyxy, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        return (0, 0, 0, 0)
    x0, y0 = np.floor(values[:2]).clip(0, [width, height])
    x1, y1 = np.ceil(values[2:]).clip(0, [width, height])
    return (int(x0), int(y0), int(max(x0, x1)), int(max(y0, y1)))


def keep_regions(found: Sequence[Region], width: int, height: int, rules: RegionRules) -> list[Region]:
    """The whole image first, then the detections the rules let through.

    Args:
        found: a detector's answer for one image, in any order.
        width: image width in pixels.
        height: image height in pixels.
        rules: thresholds and limits.

    Returns:
        Region 0, then at most `rules.max_regions` objects by falling score (ties by box), each
        clipped to the image and at least `rules.min_area_px` large. The same box is kept once.
    """
    best: dict[tuple[int, int, int, int], Region] = {}
    for region in found:
        box = clip_box(region.box_xyxy_px, width, height)
        clipped = Region("object", box, region.class_name, region.score)
        if not clipped.score >= rules.score_threshold:  # a score that is not a number is no confidence
            continue
        if clipped.area_px < max(rules.min_area_px, 1):
            continue
        if box not in best or best[box].score < clipped.score:
            best[box] = clipped
    ranked = sorted(best.values(), key=lambda r: (-r.score, r.box_xyxy_px))
    return [whole_image(width, height), *ranked[: rules.max_regions]]


def cut(image: RgbImage, region: Region) -> RgbImage:
    """The region's pixels: a view, not a copy, uint8 (h, w, 3)."""
    x0, y0, x1, y1 = region.box_xyxy_px
    return image[y0:y1, x0:x1]
