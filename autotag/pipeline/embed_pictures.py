"""Pictures as queries: whole, or a box in them; decoded, cut and embedded, without any detection."""

from collections.abc import Sequence
from dataclasses import dataclass

from autotag.compute.kernel import EmbeddedImage, embed_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.regions import Region, RgbImage
from autotag.errors import RejectedImageError, UsageError
from autotag.models.protocols import Embedder, Vectors
from autotag.pipeline.unit_walk import within_memory
from autotag.storage.images import ImageLimits, decode_image, probe_image

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the oriented image, x1 and y1 exclusive."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to look for.

    Attributes:
        data: a whole image file; what it is is told by its content.
        box_xyxy_px: the part that counts; None for all of it.
    """

    data: bytes
    box_xyxy_px: Box | None = None


def embed_pictures(
    embedder: Embedder, pictures: Sequence[Picture], limits: ImageLimits
) -> list[Vectors | RejectedImageError | UsageError]:
    """float32 (dim,), unit L2 norm, of each picture, in order; one that cannot be used comes as its error.

    Pictures are decoded one at a time, and as many embedded together as memory allows.

    Raises:
        RetryableError: there is not enough memory for one picture.
        Exception: the model failed on all of four or more: it is at fault, not they.
    """
    kept = [_kept_pixels(each, limits) for each in pictures]
    answers: list[Vectors | RejectedImageError | UsageError] = []
    for together in within_memory(range(len(pictures)), kept):
        answers += _embedded(embedder, [_part(pictures[number], limits) for number in together])
    return answers


def check_box(box: Sequence[int], width: int, height: int) -> Box:
    """The box, if it holds a pixel and lies inside an image.

    Raises:
        UsageError: it does not.
    """
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise UsageError(
            f"the box {list(box)} does not lie in the image; give x0, y0, x1, y1 within its {width} x {height} pixels"
        )
    return x0, y0, x1, y1


def _embedded(
    embedder: Embedder, parts: Sequence[RgbImage | RejectedImageError | UsageError]
) -> list[Vectors | RejectedImageError | UsageError]:
    good = [each for each in parts if not isinstance(each, Exception)]
    regions = [[Region("image", (0, 0, each.shape[1], each.shape[0]))] for each in good]
    made = iter(embed_regions(embedder, good, regions, StageClock()))
    return [each if isinstance(each, Exception) else _vector(next(made)) for each in parts]


def _kept_pixels(picture: Picture, limits: ImageLimits) -> int:
    """Pixels that stay in memory until they are embedded."""
    if picture.box_xyxy_px is not None:
        x0, y0, x1, y1 = picture.box_xyxy_px
        return max(0, x1 - x0) * max(0, y1 - y0)
    try:
        header = probe_image(picture.data, limits)
    except RejectedImageError:
        return 0
    return header.width * header.height


def _vector(made: EmbeddedImage | RejectedImageError) -> Vectors | RejectedImageError:
    return made if isinstance(made, RejectedImageError) else made.vectors[0]


def _part(picture: Picture, limits: ImageLimits) -> RgbImage | RejectedImageError | UsageError:
    try:
        pixels = decode_image(picture.data, limits).pixels
        if picture.box_xyxy_px is None:
            return pixels
        x0, y0, x1, y1 = check_box(picture.box_xyxy_px, pixels.shape[1], pixels.shape[0])
        return pixels[y0:y1, x0:x1].copy()
    except (RejectedImageError, UsageError) as error:
        return error
