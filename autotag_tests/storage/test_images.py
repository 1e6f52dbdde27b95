"""Decoding: every kind of picture becomes RGB, upright, on white."""

import struct
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from autotag.storage import images
from autotag.storage.images import (
    FORMATS,
    decode_image,
    perceptual_hash,
    probe_image,
)
from autotag_tests.storage.picture_files import LIMITS, encoded, picture, png, reason


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_decoded_to_contiguous_rgb(format: str) -> None:
    found = decode_image(encoded(picture(), format), LIMITS)
    assert (found.width, found.height, found.format) == (40, 24, format)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.shape == (24, 40, 3)
    assert found.pixels.flags.c_contiguous
    assert found.pixels.flags.writeable
    difference = np.abs(found.pixels.astype(int) - np.asarray(picture()).astype(int))
    assert np.median(difference) <= (16 if format == "GIF" else 4)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once_to_pixels_and_header(format: str, orientation: int) -> None:
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = picture()
    stored = upright if inverse is None else upright.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, format, exif=exif)
    found = decode_image(data, LIMITS)
    header = probe_image(data, LIMITS)
    assert (header.width, header.height, header.format) == (40, 24, format)
    assert found.pixels.shape == (24, 40, 3)
    assert np.median(np.abs(found.pixels.astype(int) - np.asarray(upright).astype(int))) <= 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_unreadable_exif_block_counts_as_upright() -> None:
    found = decode_image(encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), LIMITS)
    assert found.pixels.shape == (24, 40, 3)


def test_cmyk_is_converted() -> None:
    found = decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), LIMITS)
    red, green, blue = found.pixels[4, 4]
    assert red > 200
    assert green < 60
    assert blue < 60


def test_16_bit_grey_uses_the_full_range() -> None:
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    for data in (encoded(Image.fromarray(values), "PNG"), encoded(Image.fromarray(values), "TIFF")):
        assert decode_image(data, LIMITS).pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_colour_is_scaled_to_8() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 0, 32768, 0, 65535, 257)
    found = decode_image(png(2, 1, 16, 2, row), LIMITS)
    assert found.pixels[0].tolist() == [[255, 0, 128], [0, 255, 1]]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_without_an_agreed_white_are_stretched(kind: type) -> None:
    values = np.array([[-1000, 0, 1000]], dtype=kind)
    assert decode_image(encoded(Image.fromarray(values), "TIFF"), LIMITS).pixels[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]


def test_floats_that_are_no_numbers_are_black_and_a_flat_image_is_black() -> None:
    values = np.array([[np.nan, 0.0, 1.0]], dtype=np.float32)
    assert decode_image(encoded(Image.fromarray(values), "TIFF"), LIMITS).pixels[0, :, 0].tolist() == [
        0,
        0,
        255,
    ]
    flat = np.full((2, 2), 7.0, dtype=np.float32)
    assert not decode_image(encoded(Image.fromarray(flat), "TIFF"), LIMITS).pixels.any()
    assert "finite" in reason(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), (0, 0, 0, 255) if mode == "RGBA" else (0, 255))
    assert decode_image(encoded(image, "PNG"), LIMITS).pixels[0].tolist() == [[255] * 3, [0] * 3]


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for format in ("PNG", "GIF"):
        found = decode_image(encoded(image, format, transparency=0), LIMITS)
        assert found.pixels[0].tolist() == [[255, 255, 255], [0, 0, 255]]


def test_a_transparent_colour_of_an_rgb_png_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (1, 2, 3))
    found = decode_image(encoded(image, "PNG", transparency=(10, 20, 30)), LIMITS)
    assert found.pixels[0].tolist() == [[255, 255, 255], [1, 2, 3]]


def test_one_bit_images_are_black_and_white() -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    assert decode_image(encoded(image, "PNG"), LIMITS).pixels[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    found = decode_image(data, LIMITS)
    assert found.pixels[4, 4].tolist() == [255, 0, 0]


def test_a_stereo_jpeg_is_a_jpeg() -> None:
    data = encoded(picture(), "MPO", save_all=True, append_images=[picture()])
    assert decode_image(data, LIMITS).format == "JPEG"
    assert probe_image(data, LIMITS).format == "JPEG"


def test_an_image_one_pixel_wide_is_decoded_and_hashed() -> None:
    found = decode_image(encoded(Image.new("RGB", (1, 500), "red"), "PNG"), LIMITS)
    assert found.pixels.shape == (500, 1, 3)
    assert len(perceptual_hash(found.pixels)) == 16
    assert len(perceptual_hash(found.pixels[:1])) == 16


def test_images_can_be_imported_without_tables_or_engines() -> None:
    heavy = "pyarrow pydantic dagster ray torch cv2 imagehash scipy"
    code = f"import sys, autotag.storage.images; sys.exit(' '.join(set('{heavy}'.split()) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_an_opener_that_ultralytics_put_in_place_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def installs_packages(*arguments: object, **options: object) -> None:
        raise AssertionError("this one would install a package")

    patches = types.SimpleNamespace(_image_open=images._pillow_open())
    monkeypatch.setitem(sys.modules, "ultralytics.utils.patches", patches)
    monkeypatch.setattr(Image, "open", installs_packages)
    assert "known kind" in reason(b"<html>404</html>")
