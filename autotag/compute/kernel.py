"""The kernel: images in, regions and their vectors out. Detect > cut > embed, a batch of images at a time.

Needs numpy and the two models only, so that it can be measured on any machine. Rejected images stay
rejected through every step: they come in as their error and go out as it.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from autotag.compute.batch_room import BatchRoom, room_for
from autotag.compute.memory_errors import is_out_of_memory
from autotag.compute.stage_clock import StageClock, batch_setting
from autotag.domain.regions import Region, RegionRules, RgbImage, cut, keep_regions
from autotag.errors import PermanentError, RejectedImageError, RetryableError
from autotag.models.protocols import Detector, Embedder, Vectors

SYSTEMATIC_FAILURES = 4
"""When this many images of a batch fail and none passes, the model is at fault, not the images."""

Decoded = RgbImage | RejectedImageError
"""An image, or why there is none."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """What the kernel makes of one image.

    Attributes:
        regions: the whole image first, then its objects by falling score.
        vectors: float32 (len(regions), dim), unit L2 norm, row i belongs to regions[i].
    """

    regions: list[Region]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Kernel:
    """Both models, the rules between them, and the clock that times them."""

    detector: Detector
    embedder: Embedder
    rules: RegionRules
    clock: StageClock

    def run(self, images: Sequence[Decoded]) -> list[EmbeddedImage | RejectedImageError]:
        """One result an image, in order; an image a model cannot take gives an error instead."""
        return embed_regions(
            self.embedder, images, find_regions(self.detector, images, self.rules, self.clock), self.clock
        )


@dataclass(frozen=True, slots=True)
class _Call(Generic[_Item, _Result]):
    """A model's call: its stage, how much it takes at a time, and how much of that an item is."""

    stage: str
    run: Callable[[Sequence[_Item]], Sequence[_Result]]
    weigh: Callable[[_Item], int]
    room: BatchRoom
    clock: StageClock


def find_regions(
    detector: Detector, images: Sequence[Decoded], rules: RegionRules, clock: StageClock
) -> list[list[Region] | RejectedImageError]:
    """Regions of each image, in order: the whole image, then the detections the rules let through."""
    with clock.stage("detect"):
        call = _Call("detect", detector.detect, lambda _: 1, room_for(detector), clock)
        found = _isolate(call, images)
    kept: list[list[Region] | RejectedImageError] = []
    for image, answer in zip(images, found, strict=True):
        if isinstance(image, RejectedImageError) or isinstance(answer, RejectedImageError):
            kept.append(answer)
        else:
            kept.append(keep_regions(answer, image.shape[1], image.shape[0], rules))
    return kept


def embed_regions(
    embedder: Embedder,
    images: Sequence[Decoded],
    regions: Sequence[list[Region] | RejectedImageError],
    clock: StageClock,
) -> list[EmbeddedImage | RejectedImageError]:
    """Embed regions, fresh or recorded: all crops of all images in one call of the embedder."""
    crops = [_crops(image, found) for image, found in zip(images, regions, strict=True)]
    with clock.stage("embed"):
        call = _Call("embed", partial(_embed_groups, embedder), len, room_for(embedder), clock)
        vectors = _isolate(call, crops)
    return [_join(found, made) for found, made in zip(regions, vectors, strict=True)]


def _crops(image: Decoded, found: list[Region] | RejectedImageError) -> list[RgbImage] | RejectedImageError:
    if isinstance(image, RejectedImageError):
        return image
    return found if isinstance(found, RejectedImageError) else [cut(image, region) for region in found]


def _embed_groups(embedder: Embedder, groups: Sequence[list[RgbImage]]) -> list[Vectors]:
    vectors = embedder.embed_images([crop for group in groups for crop in group])
    ends = np.cumsum([len(group) for group in groups])
    if groups and vectors.shape != (ends[-1], embedder.dim):
        raise ValueError(f"{embedder.fingerprint} gave {vectors.shape} numbers for {ends[-1]} crops")
    if not np.isfinite(vectors).all():
        raise ValueError(f"{embedder.fingerprint} gave vectors that are not numbers")
    return np.split(vectors, ends[:-1]) if groups else []


def _join(
    found: list[Region] | RejectedImageError, made: Vectors | RejectedImageError
) -> EmbeddedImage | RejectedImageError:
    if isinstance(made, RejectedImageError):
        return made
    return found if isinstance(found, RejectedImageError) else EmbeddedImage(found, made)


def _isolate(
    call: _Call[_Item, _Result], items: Sequence[_Item | RejectedImageError]
) -> list[_Result | RejectedImageError]:
    """Run a batch; when it fails, item by item, so that one bad image costs only itself."""
    good = [item for item in items if not isinstance(item, RejectedImageError)]
    results = iter(_batch(call, good))
    return [item if isinstance(item, RejectedImageError) else next(results) for item in items]


def _batch(call: _Call[_Item, _Result], items: Sequence[_Item]) -> Sequence[_Result | RejectedImageError]:
    """One result an item, in as many calls as memory asks for; it is judged over all of them whether the model is at fault.

    Raises:
        RetryableError: memory does not hold a single image.
    """
    results: list[_Result | RejectedImageError] = []
    failed: Exception | None = None
    while len(results) < len(items):
        part = call.room.first_part(items[len(results) :], call.weigh)
        made = _part(call, part)
        if isinstance(made, Exception):
            failed = made
            made = [_one(call, item) for item in part]
        results.extend(made or ())
    if (
        failed
        and len(items) >= SYSTEMATIC_FAILURES
        and all(isinstance(r, RejectedImageError) for r in results)
    ):
        raise failed
    return results


def _part(call: _Call[_Item, _Result], items: Sequence[_Item]) -> Sequence[_Result] | Exception | None:
    """Results; the error of a model that failed; or None where memory was too small, and less should be tried.

    Nothing holds on to what the failed call had in memory.
    """
    try:
        return _complete(call.run(items), len(items))
    except (PermanentError, RetryableError):  # weights or a device that are not there: no image's fault
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            traceback.clear_frames(error.__traceback__)
            return error
        if len(items) <= 1:
            raise _too_little_memory(call.stage, error) from error
    call.room.shrink(sum(map(call.weigh, items)))
    call.clock.did_not_fit(call.stage)
    return None


def _one(call: _Call[_Item, _Result], item: _Item) -> _Result | RejectedImageError:
    try:
        return _complete(call.run([item]), 1)[0]
    except (PermanentError, RetryableError):
        raise
    except RejectedImageError as error:
        return error
    except Exception as error:  # whatever else a network raises on one picture costs that picture
        if is_out_of_memory(error):
            raise _too_little_memory(call.stage, error) from error
        return RejectedImageError(call.stage, f"{type(error).__name__}: {error}"[:300])


def _too_little_memory(stage: str, error: Exception) -> RetryableError:
    told = " ".join(str(error).split())[:300]
    return RetryableError(
        f"{stage}: there is not enough memory for one image ({type(error).__name__}: {told});"
        f" lower {batch_setting(stage)}, [compute] batch_images,"
        " [images] max_pixels or [regions] max_regions, run fewer [ray] actors on a device, or end what else uses"
        " its memory, then run the step again"
    )


def _complete(results: Sequence[_Result], count: int) -> Sequence[_Result]:
    if len(results) != count:
        raise ValueError(f"the model gave {len(results)} results for {count} inputs")
    return results
