"""Bytes to pixels, safely: the only place that decodes images.

What a file is, its content decides, never its name. A file that cannot be used ends as `RejectedImageError`
with stage `decode`, whatever is wrong with it, and too large ones are refused by their header, before any
pixel is decoded. Owns the perceptual hash; `rgb_pictures` makes every kind of picture RGB, `orientation` turns it.
"""

import io
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFile

from autotag.domain.perceptual_hash import HASHED_SIDE_PX, dct_hash
from autotag.domain.regions import RgbImage
from autotag.errors import RejectedImageError, RetryableError, UnknownKindError
from autotag.storage.capture_dates import capture_date
from autotag.storage.colour_profiles import in_srgb
from autotag.storage.orientation import SWAPS_SIDES, TURNS, orientation
from autotag.storage.rgb_pictures import to_rgb

# Pillow's UserWarnings are remarks on metadata (a malformed EXIF or MPO block) that name no file. Damaged
# pixels are exceptions, and sizes are judged here.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are read. MPO, the JPEG of stereo cameras and phones, counts as JPEG."""

_STAGE = "decode"
_HASH_SIDE_PX = 128  # the hash looks at 32 x 32 px; four times that is enough to average from
_REDUCING_GAP = (
    2.0  # Pillow averages down to twice the size wanted before it resamples: not seen, and much faster
)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is too large or too small to be decoded.

    Attributes:
        max_bytes: longest file.
        max_pixels: largest width x height.
        min_side_px: least width and height.
    """

    max_bytes: int = 200_000_000
    max_pixels: int = 178_956_970
    min_side_px: int = 1


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header says.

    Attributes:
        width: pixels, after EXIF orientation.
        height: pixels, after EXIF orientation.
        format: one of `FORMATS`.
        taken_at: when it was photographed, UTC; None where it does not say. See `capture_date`.
    """

    width: int
    height: int
    format: str
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image in memory.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, C-contiguous, writable, after EXIF orientation.
        format: one of `FORMATS`.
    """

    pixels: RgbImage
    format: str

    @property
    def width(self) -> int:
        """Pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.pixels.shape[0]


def decode_image(data: bytes, limits: ImageLimits) -> DecodedImage:
    """Decode one image file.

    EXIF orientation is applied (in PNG only where it stands before the pixels, as browsers do; an unreadable
    EXIF block counts as upright). Transparency is laid on white, CMYK and palettes are converted, of an
    animation the first frame is taken. 16-bit values v become round(v / 257); 16-bit colour loses its low
    byte. 32-bit integers and floats have no agreed white: the darkest finite value becomes 0, the brightest
    255.

    Args:
        data: the whole file.
        limits: what to refuse.

    Raises:
        RejectedImageError: stage `decode`; empty, truncated, damaged, of another kind, too large, too small.
        RetryableError: there is not enough memory.
    """
    return _guarded(lambda: _decode(data, limits))


def decode_small(data: bytes, limits: ImageLimits, long_edge_px: int) -> DecodedImage:
    """Decode one image file for people to look at: shrunk to a long edge, never enlarged, in sRGB.

    All rules of `decode_image` hold. A JPEG is decoded at a half, a quarter or an eighth of its size where that is
    still as large as wanted. An RGB image with another colour profile is converted, so that browsers show its colours.

    Args:
        data: the whole file.
        limits: what to refuse.
        long_edge_px: of the result, at most.

    Raises:
        RejectedImageError: as in `decode_image`, but that damage behind the pixels that are wanted may pass.
        RetryableError: there is not enough memory.
    """
    return _guarded(lambda: _shrunk(data, limits, long_edge_px))


def probe_image(data: bytes, limits: ImageLimits) -> ImageHeader:
    """Read the header only: cheap, and no promise that the pixels are whole.

    Args:
        data: the whole file.
        limits: what to refuse.

    Raises:
        RejectedImageError: stage `decode`; the header alone shows that the file cannot be used.
    """
    return _guarded(lambda: _header(_open(data, limits)))


def perceptual_hash(pixels: RgbImage) -> str:
    """64-bit DCT hash of the grey image; near-duplicates differ in few bits.

    The image is averaged down to about 128 px a side first, which costs a quarter of hashing all pixels.
    Depends on the pixels alone, not on the file they came from.

    Args:
        pixels: uint8 (height, width, 3), RGB, at least 1 x 1.

    Returns:
        16 hexadecimal characters.
    """
    return _hash(Image.fromarray(pixels))


def quick_perceptual_hash(data: bytes, limits: ImageLimits) -> str:
    """The same kind of hash straight from a file; a JPEG is decoded at an eighth of its size, or near it.

    Equal bytes give equal hashes, and copies of one picture stay within a few bits, also of
    `perceptual_hash`. That the hash exists is no promise that the pixels are whole.

    Raises:
        RejectedImageError: as in `decode_image`, as far as it is found out.
    """
    return _guarded(lambda: _hash(_decode_at_least(_open(data, limits), (_HASH_SIDE_PX, _HASH_SIDE_PX))))


def _hash(image: Image.Image) -> str:
    factors = (max(1, image.width // _HASH_SIDE_PX), max(1, image.height // _HASH_SIDE_PX))
    side = HASHED_SIDE_PX
    grey = image.convert("L").reduce(factors).resize((side, side), Image.Resampling.LANCZOS)
    return dct_hash(np.asarray(grey))


def _shrunk(data: bytes, limits: ImageLimits, long_edge_px: int) -> DecodedImage:
    image = _open(data, limits)
    is_rgb, profile = image.mode in ("RGB", "RGBA", "P"), image.info.get("icc_profile")
    width, height = (max(1, side * long_edge_px // max(image.size)) for side in image.size)
    upright = _decode_at_least(image, (width, height))
    upright.thumbnail((long_edge_px, long_edge_px), Image.Resampling.LANCZOS, _REDUCING_GAP)
    small = in_srgb(upright, profile) if is_rgb and profile else upright
    return DecodedImage(np.array(small, dtype=np.uint8, order="C"), _format(image))


def _decode_at_least(image: ImageFile.ImageFile, size: tuple[int, int]) -> Image.Image:
    """RGB and upright; a JPEG at the smallest size its decoder gives that is no smaller than `size`, others whole."""
    turn = TURNS.get(orientation(image))  # before the pixels: see `decode_image` on PNG
    image.draft(None, size)
    if ImageFile.LOAD_TRUNCATED_IMAGES:  # another library's switch would pass grey halves as pictures
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    image.load()
    return to_rgb(image) if turn is None else to_rgb(image).transpose(turn)


def _guarded(read: Callable[[], Answer]) -> Answer:
    try:
        return read()
    except RejectedImageError:
        raise
    except MemoryError as error:  # sizes are judged by the header: it is the machine that has too little
        raise RetryableError(
            "decode: there is not enough memory for one image; lower [images] max_pixels or [compute] batch_images,"
            " run fewer [ray] actors, or end what else uses memory, then run the step again"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UnknownKindError(_STAGE, f"not an image of a known kind ({', '.join(FORMATS)})") from error
    except Exception as error:  # on damaged files Pillow's readers raise anything
        raise RejectedImageError(_STAGE, _sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"larger than allowed: {error}"
    return f"damaged: {str(error) or type(error).__name__}"


def _open(data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    if not data:
        raise RejectedImageError(_STAGE, "the file is empty (0 bytes)")
    if len(data) > limits.max_bytes:
        raise RejectedImageError(_STAGE, f"{len(data)} bytes; at most {limits.max_bytes} are allowed")
    # Pillow has a limit of its own, for the whole process: it is raised to ours, never lowered.
    if Image.MAX_IMAGE_PIXELS is not None and limits.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
    image = _pillow_open()(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise RejectedImageError(
            _STAGE, f"{width} x {height} px; at most {limits.max_pixels} pixels are allowed"
        )
    if min(width, height) < limits.min_side_px:
        raise RejectedImageError(
            _STAGE, f"{width} x {height} px; each side must have at least {limits.min_side_px}"
        )
    return image


def _pillow_open() -> Callable[..., ImageFile.ImageFile]:
    """Pillow's own opener: ultralytics puts one in its place that installs a package when it meets an unknown file."""
    return getattr(sys.modules.get("ultralytics.utils.patches"), "_image_open", Image.open)


def _format(image: ImageFile.ImageFile) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)


def _header(image: ImageFile.ImageFile) -> ImageHeader:
    width, height = image.size
    if orientation(image) in SWAPS_SIDES:
        width, height = height, width
    return ImageHeader(width, height, _format(image), _capture_date(image))


def _capture_date(image: Image.Image) -> datetime | None:
    try:
        return capture_date(Image.Image.getexif(image))
    except Exception:  # noqa: BLE001 - as in `_orientation`
        return None


def _decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    image = _open(data, limits)
    pixels = np.array(_decode_at_least(image, image.size), dtype=np.uint8, order="C")
    return DecodedImage(pixels, _format(image))
