"""Small pictures of large ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autotag.errors import RejectedImageError
from autotag.storage.images import (
    decode_image,
    decode_small,
)
from autotag_tests.storage.picture_files import LIMITS, SMALL, encoded


def photograph(width: int, height: int) -> Image.Image:
    """Smooth colours, which JPEG and shrinking change little."""
    ys, xs = np.mgrid[0:height, 0:width]
    pixels = np.stack([xs * 255 // max(1, width - 1), ys * 255 // max(1, height - 1), 0 * xs + 90], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


@settings(max_examples=40)
@given(st.integers(1, 900), st.integers(1, 900), st.sampled_from(["JPEG", "PNG"]), st.integers(1, 8))
def test_a_small_picture_has_the_long_edge_wanted_or_less_and_its_own_shape(
    width: int, height: int, form: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(width, height), form, exif=exif)
    small, whole = decode_small(data, LIMITS, 128), decode_image(data, LIMITS)
    assert max(small.width, small.height) == min(128, max(whole.width, whole.height))
    scale = max(small.width, small.height) / max(whole.width, whole.height)
    assert abs(min(small.width, small.height) - min(whole.width, whole.height) * scale) <= 1
    assert (small.width > small.height) == (whole.width > whole.height) or abs(small.width - small.height) < 2
    if min(width, height) >= 16:  # from edge to edge of a sliver, colours are not smooth
        corner, same = small.pixels[0, 0].astype(int), whole.pixels[0, 0].astype(int)
        assert np.abs(corner - same).max() < 40


def test_a_large_jpeg_is_shrunk_to_what_shrinking_all_its_pixels_gives() -> None:
    data = encoded(photograph(2000, 1500), "JPEG", quality=95)
    small = decode_small(data, LIMITS, 300).pixels
    whole = Image.fromarray(decode_image(data, LIMITS).pixels).resize((300, 225), Image.Resampling.LANCZOS)
    assert small.shape == (225, 300, 3)
    assert np.abs(small.astype(int) - np.asarray(whole).astype(int)).mean() < 2


def test_a_small_picture_of_a_transparent_one_lies_on_white() -> None:
    clear = Image.new("RGBA", (400, 400), (10, 20, 30, 0))
    assert (decode_small(encoded(clear, "PNG"), LIMITS, 100).pixels == 255).all()


@pytest.mark.parametrize("cut", [0, 100, 0.5, 0.9])
def test_a_small_picture_of_a_damaged_file_is_a_reject(cut: float) -> None:
    data = encoded(photograph(600, 400), "JPEG")
    with pytest.raises(RejectedImageError, match="decode"):
        decode_small(data[: int(len(data) * cut) if isinstance(cut, float) else cut], LIMITS, 100)


def test_limits_hold_for_small_pictures_too() -> None:
    with pytest.raises(RejectedImageError, match="at most"):
        decode_small(encoded(photograph(2000, 1000), "PNG"), SMALL, 100)
