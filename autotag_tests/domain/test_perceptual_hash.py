"""The hash is ImageHash's, bit for bit."""

import imagehash
import numpy as np
import pytest
from PIL import Image

from autotag.domain.perceptual_hash import HASHED_SIDE_PX, dct_hash

SIDE = HASHED_SIDE_PX


def test_the_bits_are_those_of_imagehash() -> None:
    chance = np.random.default_rng(4)
    for sharpness in (2, 5, 11, SIDE):
        for _ in range(50):
            coarse = Image.fromarray(chance.integers(0, 256, (sharpness, sharpness), np.uint8))
            grey = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            assert dct_hash(np.asarray(grey)) == str(imagehash.phash(grey))


@pytest.mark.parametrize("level", [0, 1, 127, 128, 255])
def test_a_picture_of_one_colour_has_no_bits_but_its_brightness(level: int) -> None:
    grey = np.full((SIDE, SIDE), level, np.uint8)
    assert dct_hash(grey) == ("8" if level else "0") + 15 * "0"
    assert dct_hash(grey) == str(imagehash.phash(Image.fromarray(grey)))
