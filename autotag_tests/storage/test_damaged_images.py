"""Every bad file becomes a reject: empty, cut, flipped, too large, or of a format that is not listed."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from autotag.errors import RejectedImageError, RetryableError
from autotag.storage import images
from autotag.storage.images import (
    DecodedImage,
    ImageHeader,
    ImageLimits,
    decode_image,
    probe_image,
    quick_perceptual_hash,
)
from autotag_tests.storage.picture_files import FILES, LIMITS, SMALL, encoded, picture, png, reason


def test_an_empty_file_is_refused() -> None:
    assert "empty" in reason(b"")


def test_what_is_no_image_is_refused_whatever_it_is() -> None:
    for data in (b"<html>404</html>", b"%PDF-1.7", b"\0" * 5000, b"P6\n2 2\n255\n" + bytes(12)):
        assert "known kind" in reason(data)


def test_formats_that_are_not_listed_are_refused() -> None:
    assert "known kind" in reason(encoded(picture(), "PPM"))
    assert "known kind" in reason(encoded(picture(), "ICO"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_truncated_file_is_refused(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    assert reason(data[: len(data) // 2])


def test_a_truncated_file_is_refused_though_another_library_allows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")
    assert "truncated" in reason(data[: len(data) // 2])


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png(50_000, 50_000, 8, 2, b"")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("pixels were decoded"))
    assert "larger than allowed" in reason(bomb)
    assert "12000 x 12000 px" in reason(png(12_000, 12_000, 1, 0, b""), ImageLimits(max_pixels=100_000_000))
    with pytest.raises(RejectedImageError):
        probe_image(bomb, LIMITS)


def test_limits_above_pillows_own_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(encoded(picture(), "PNG"), SMALL).width == 40
    assert SMALL.max_pixels == Image.MAX_IMAGE_PIXELS


def test_long_files_and_small_sides_are_refused() -> None:
    data = encoded(picture(), "PNG")
    assert "bytes" in reason(data, ImageLimits(max_bytes=len(data) - 1))
    assert "at least 25" in reason(data, ImageLimits(min_side_px=25))
    assert decode_image(data, ImageLimits(max_bytes=len(data), max_pixels=960, min_side_px=24)).height == 24


def outcome(
    read: Callable[[bytes, ImageLimits], DecodedImage | ImageHeader], data: bytes
) -> DecodedImage | ImageHeader | str:
    """The picture, or why there is none; any other exception is a failure of the test."""
    try:
        return read(data, SMALL)
    except RejectedImageError as error:
        return error.reason


@settings(max_examples=300, deadline=None)
@given(
    file=st.sampled_from(FILES),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12
    ),
    kept=st.floats(0.05, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_a_picture_or_a_reject_and_nothing_else(
    file: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(file[: max(1, int(len(file) * kept))])
    for place, value in changes:
        data[int(place * len(data))] = value
    for read in (decode_image, probe_image):
        found = outcome(read, bytes(data))
        if isinstance(found, str):
            continue
        assert found.width * found.height <= SMALL.max_pixels
        if isinstance(found, DecodedImage):
            assert found.pixels.shape == (found.height, found.width, 3)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF"]),
    st.binary(),
)
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_are_rejected_or_decoded(start: bytes, rest: bytes) -> None:
    assert outcome(decode_image, start + rest)


@pytest.mark.parametrize("read", [decode_image, probe_image, quick_perceptual_hash])
def test_memory_that_runs_out_is_not_the_images_fault(read, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "_pillow_open", lambda: too_much)
    with pytest.raises(RetryableError, match=r"\[images\] max_pixels.*run the step again"):
        read(encoded(picture(), "PNG"), LIMITS)
