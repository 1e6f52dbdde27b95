"""Hashes of what a picture shows."""

import imagehash
import numpy as np
import pytest
from PIL import Image

from autotag.errors import RejectedImageError
from autotag.storage.images import (
    decode_image,
    perceptual_hash,
    quick_perceptual_hash,
)
from autotag_tests.storage.picture_files import FILES, LIMITS, encoded, png


def test_the_hash_depends_on_the_pixels_alone_and_survives_recompression() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    exact = perceptual_hash(pixels)
    assert exact == perceptual_hash(decode_image(encoded(image, "PNG"), LIMITS).pixels)
    assert exact == perceptual_hash(pixels.copy())
    assert len(exact) == 16
    plain = imagehash.phash(image)
    worse = perceptual_hash(
        decode_image(encoded(image.resize((320, 240)), "JPEG", quality=50), LIMITS).pixels
    )
    assert imagehash.hex_to_hash(worse) - imagehash.hex_to_hash(exact) <= 4
    assert imagehash.hex_to_hash(exact) - plain <= 4
    other = perceptual_hash(np.ascontiguousarray(pixels[:, ::-1]))
    assert imagehash.hex_to_hash(other) - imagehash.hex_to_hash(exact) > 16


def test_the_quick_hash_is_close_to_the_hash_of_all_pixels_and_repeats() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    for data in (encoded(image, "JPEG"), encoded(image.convert("L"), "JPEG"), encoded(image, "PNG")):
        quick = quick_perceptual_hash(data, LIMITS)
        assert quick == quick_perceptual_hash(data, LIMITS)
        full = perceptual_hash(decode_image(data, LIMITS).pixels)
        assert imagehash.hex_to_hash(quick) - imagehash.hex_to_hash(full) <= 4


def test_the_quick_hash_turns_the_picture_upright() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((800, 600), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    distance = imagehash.hex_to_hash(quick_perceptual_hash(turned, LIMITS)) - imagehash.hex_to_hash(
        quick_perceptual_hash(encoded(image, "JPEG"), LIMITS)
    )
    assert distance <= 4


def test_the_quick_hash_refuses_what_decoding_refuses() -> None:
    for data in (b"", b"<html>", png(50_000, 50_000, 8, 2, b""), FILES[0][:300]):
        with pytest.raises(RejectedImageError):
            quick_perceptual_hash(data, LIMITS)
