"""Pictures as files of every kind, and what a reader says of a bad one."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from autotag.errors import RejectedImageError
from autotag.storage.images import FORMATS, ImageLimits, decode_image

LIMITS = ImageLimits()
SMALL = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000, min_side_px=1)


def picture(width: int = 40, height: int = 24) -> Image.Image:
    """A gradient with a red top-left corner, so that every turn can be told."""
    ys, xs = np.mgrid[0:height, 0:width]
    pixels = np.stack([xs * 255 // max(width - 1, 1), ys * 255 // max(height - 1, 1), 0 * xs + 90], axis=-1)
    pixels[: height // 3, : width // 3] = (255, 0, 0)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The file an image becomes."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png(width: int, height: int, bit_depth: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG written by hand, for the kinds Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def reason(data: bytes, limits: ImageLimits = LIMITS) -> str:
    """Why an image is refused."""
    with pytest.raises(RejectedImageError) as caught:
        decode_image(data, limits)
    assert caught.value.stage == "decode"
    return caught.value.reason


FILES = [encoded(picture(), name) for name in FORMATS] + [
    encoded(picture().convert("P"), "GIF", save_all=True, append_images=[picture().convert("P")]),
    encoded(picture(), "TIFF", compression="tiff_lzw"),
    encoded(picture().convert("CMYK"), "JPEG", exif=Image.Exif()),
]
