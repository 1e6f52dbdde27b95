"""Pixels in the size that the starter networks read."""

import numpy as np

from autotag.domain.regions import RgbImage


def resize_to_square(image: RgbImage, size_px: int) -> RgbImage:
    """uint8 (size_px, size_px, 3): the whole image, its aspect ratio given up.

    Both networks were trained on squeezed pictures of all shapes, and nothing is cut off or filled in. Area averaging where
    the image shrinks, linear where it grows.
    """
    import cv2

    shrinks = image.shape[0] * image.shape[1] > size_px * size_px
    # A region is a view into its image; OpenCV wants rows without gaps inside a pixel row, which views have.
    return np.asarray(
        cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
        dtype=np.uint8,
    )
