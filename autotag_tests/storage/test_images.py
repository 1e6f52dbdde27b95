"""Safe decoding: every kind of picture becomes RGB, every bad file becomes a reject."""

import io
import struct
import subprocess
import sys
import types
import warnings
import zlib
from collections.abc import Callable

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from autotag.errors import RejectedImageError, RetryableError
from autotag.storage import images
from autotag.storage.images import (
    FORMATS,
    DecodedImage,
    ImageHeader,
    ImageLimits,
    decode_image,
    decode_small,
    perceptual_hash,
    probe_image,
    quick_perceptual_hash,
)

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


FILES = [encoded(picture(), name) for name in FORMATS] + [
    encoded(picture().convert("P"), "GIF", save_all=True, append_images=[picture().convert("P")]),
    encoded(picture(), "TIFF", compression="tiff_lzw"),
    encoded(picture().convert("CMYK"), "JPEG", exif=Image.Exif()),
]


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


@pytest.mark.parametrize("read", [decode_image, probe_image, quick_perceptual_hash])
def test_memory_that_runs_out_is_not_the_images_fault(read, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "_pillow_open", lambda: too_much)
    with pytest.raises(RetryableError, match=r"\[images\] max_pixels.*run the step again"):
        read(encoded(picture(), "PNG"), LIMITS)


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
