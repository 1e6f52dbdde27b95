"""Which way up a picture is, by its EXIF data."""

from PIL import Image

_EXIF_ORIENTATION = 0x0112

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of an orientation is put upright; others are."""

SWAPS_SIDES = (5, 6, 7, 8)
"""Orientations whose width is the height of the upright picture."""


def orientation(image: Image.Image) -> int:
    """As EXIF counts: 1 is upright, which an unreadable block counts as."""
    if image.format == "TIFF":  # Pillow's TIFF reader turns the picture, and its size, by itself
        return 1
    try:
        # The class's own method: PNG's decodes all pixels in search of EXIF data behind them.
        return int(Image.Image.getexif(image).get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - metadata that cannot be parsed is no reason to lose the picture
        return 1
