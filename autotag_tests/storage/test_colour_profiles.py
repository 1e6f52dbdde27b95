"""Colour profiles: what a wider colour space calls green is a stronger green in sRGB."""

import io
import struct

import pytest
from PIL import Image, ImageCms

from autotag.storage.colour_profiles import in_srgb
from autotag.storage.images import ImageLimits, decode_image, decode_small


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped() -> bytes:
    """sRGB's profile with red and green exchanged, under another name."""
    data = bytearray(profile("sRGB"))
    count = struct.unpack(">I", data[128:132])[0]
    at = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = (
        data[green + 4 : green + 12],
        data[red + 4 : red + 12],
    )
    return bytes(data).replace("sRGB".encode("utf-16-be"), "wild".encode("utf-16-be"))


def picture(colour: tuple[int, int, int], icc: bytes) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG", icc_profile=icc)
    return stream.getvalue()


def test_colours_of_another_space_are_converted_in_small_pictures() -> None:
    data = picture((220, 10, 10), swapped())
    red, green, _ = decode_small(data, ImageLimits(), 20).pixels[5, 5].tolist()
    assert green > 180 > red
    assert tuple(decode_image(data, ImageLimits()).pixels[5, 5]) == (220, 10, 10)


@pytest.mark.parametrize("icc", [b"no profile", profile("sRGB"), profile("LAB")])
def test_a_picture_in_srgb_or_with_a_profile_of_no_use_is_left_as_it_is(icc: bytes) -> None:
    image = Image.new("RGB", (4, 4), (200, 30, 40))
    assert in_srgb(image, icc) is image
