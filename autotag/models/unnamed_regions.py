"""Boxes of detectors that segment everything and name nothing, turned into regions."""

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import Region, RgbImage, clip_box

# A segment that fills this share of the image is its background or its frame; region 0 already stands for it.
WHOLE_IMAGE_SHARE = 0.9


def unnamed_regions(boxes: npt.NDArray[np.float32], image: RgbImage) -> list[Region]:
    """Regions of one image in the order of the boxes, without those that fill nearly all of it.

    Args:
        boxes: float32 (n, 5): x0, y0, x1, y1 in pixels of the image, score.
        image: the image the boxes belong to.
    """
    height, width = image.shape[:2]
    found = []
    for *corners, score in boxes.tolist():
        region = Region("object", clip_box(corners, width, height), "", min(max(score, 0.0), 1.0))
        if 0 < region.area_px < WHOLE_IMAGE_SHARE * width * height:
            found.append(region)
    return found
