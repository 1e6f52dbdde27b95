"""Pixels in the size that the starter networks read."""

import numpy as np

from autotag.domain.regions import RgbImage


def resize_to_square(image: RgbImage, size_px: int) -> RgbImage:
    """uint8 (size_px, size_px, 3): the whole image, its aspect ratio given up.

    Both networks were trained on squeezed pictures of all shapes, and nothing is filled in. Area averaging where the image
    shrinks, by whole factors first, which OpenCV does many times as fast as by fractions; linear where it grows.
    """
    import cv2

    height, width = image.shape[:2]
    across, down = max(1, width // size_px), max(1, height // size_px)
    if across > 1 or down > 1:
        # What whole factors leave over, fewer pixels than a factor at the right and lower edge, is cut off.
        whole = image[: height // down * down, : width // across * across]
        image = np.asarray(
            cv2.resize(whole, (width // across, height // down), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    shrinks = image.shape[0] * image.shape[1] > size_px * size_px
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=kind), dtype=np.uint8)
