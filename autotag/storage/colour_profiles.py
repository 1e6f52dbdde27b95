"""Colour profiles: pixels of a wider colour space, as cameras and phones record them, become sRGB."""

import io
from functools import lru_cache

from PIL import Image, ImageCms

_KINDS_KEPT = 32
"""A folder comes from a few devices; a transform is some hundred kilobytes."""


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The same colours in sRGB; the image itself where it is in sRGB, or its profile is damaged or not of RGB.

    Args:
        image: mode RGB.
        profile: the ICC profile its pixels are in.
    """
    transform = _transform(profile)
    return image if transform is None else ImageCms.applyTransform(image, transform) or image


@lru_cache(_KINDS_KEPT)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(opened):
            return None
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError):  # metadata that cannot be read is no reason to lose the picture
        return None
