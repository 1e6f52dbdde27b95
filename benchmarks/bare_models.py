"""The limit of a source pass: both models alone, on images decoded and crops cut beforehand, with the pass's own batches.

Measured in every configuration that could be the best one, one process with all cores and one process a core, as plain
`multiprocessing`. Only calls of the models are between the two looks at the clock. Two kinds of input:

cut     images and crops as the kernel hands them over: what the models cost however well they are fed.
ready   the same already in the sizes the networks read, so that their own resizing is all but free; starter models only.
"""

import os
import tarfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from autotag.compute.kernel import find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.regions import RegionRules, RgbImage, cut
from autotag.models.protocols import Detector, Embedder
from autotag.models.registry import ModelSpec, load_detector, load_embedder
from autotag.storage.images import ImageLimits, decode_image
from benchmarks.corpus import Corpus

WAIT_S = 1200.0
Batch = tuple[list[RgbImage], list[RgbImage]]
"""Images, and the crops of all of them."""


@dataclass(frozen=True, slots=True)
class BareModels:
    """What is measured.

    Attributes:
        detector: with its batch size; threads are set here.
        embedder: likewise.
        rules: which detections become crops.
        batch_images: images a call.
        corpus: whose images are taken.
        images: how many, spread evenly over the corpus.
    """

    detector: ModelSpec
    embedder: ModelSpec
    rules: RegionRules
    batch_images: int
    corpus: Corpus
    images: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What one configuration reached with one kind of input.

    Attributes:
        kind: "cut" or "ready".
        processes: how many.
        threads: of each.
        images: that went through.
        crops: that went through.
        seconds: from the first process's start to the last one's end.
        detect_ms: milliseconds in the detector, an image.
        embed_ms: milliseconds in the embedder, an image.
    """

    kind: str
    processes: int
    threads: int
    images: int
    crops: int
    seconds: float
    detect_ms: float
    embed_ms: float

    @property
    def images_per_s(self) -> float:
        """All processes together."""
        return self.images / self.seconds


def measure_limits(bare: BareModels, cores: int) -> list[Limit]:
    """Every configuration and kind of input. Fails when a model gives another number of answers than it got inputs."""
    shapes = dict.fromkeys([(1, cores), (cores, 1)])
    return [limit for processes, threads in shapes for limit in _measure(bare, processes, threads)]


def _measure(bare: BareModels, processes: int, threads: int) -> list[Limit]:
    context = get_context("spawn")
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(
        threads
    )  # read by the children when their BLAS is loaded, as Ray does it
    try:
        with ProcessPoolExecutor(processes, context, _take_barrier, (context.Barrier(processes),)) as pool:
            shares = [
                pool.submit(_run_share, bare, number, processes, threads) for number in range(processes)
            ]
            told = [share.result(WAIT_S) for share in shares]
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return [_summed(kind, [share[kind] for share in told], processes, threads) for kind in told[0]]


def _summed(kind: str, shares: Sequence["_Share"], processes: int, threads: int) -> Limit:
    images = sum(share.images for share in shares)
    return Limit(
        kind=kind,
        processes=processes,
        threads=threads,
        images=images,
        crops=sum(share.crops for share in shares),
        seconds=max(share.ended for share in shares) - min(share.started for share in shares),
        detect_ms=1000 * sum(share.detect_s for share in shares) / images,
        embed_ms=1000 * sum(share.embed_s for share in shares) / images,
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """One process's part; started and ended are of the machine's monotonic clock, which all processes share."""

    images: int
    crops: int
    started: float
    ended: float
    detect_s: float
    embed_s: float


_barrier: Any = None


def _take_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _run_share(bare: BareModels, number: int, processes: int, threads: int) -> dict[str, _Share]:
    try:
        detector = load_detector(replace(bare.detector, threads=threads))
        embedder = load_embedder(replace(bare.embedder, threads=threads))
        batches = _prepare(bare, detector, _files(bare)[number::processes])
        kinds = {"cut": batches}
        if bare.detector.name == bare.embedder.name == "starter":
            kinds["ready"] = _resized(batches)
        return {kind: _timed(detector, embedder, inputs) for kind, inputs in kinds.items()}
    except BaseException:
        _barrier.abort()  # or the others would wait for this one
        raise


def _files(bare: BareModels) -> list[bytes]:
    """The JPEGs, spread evenly over the corpus."""
    corpus = bare.corpus
    wanted = {i * corpus.images // bare.images for i in range(bare.images)}
    found: list[bytes] = []
    seen = 0
    for shard in corpus.shards:
        with tarfile.open(Path(corpus.root) / "source" / "shards" / f"{shard}.tar") as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    stream = archive.extractfile(member)
                    if seen in wanted and stream is not None:
                        found.append(stream.read())
                    seen += 1
    return found


def _prepare(bare: BareModels, detector: Detector, files: Sequence[bytes]) -> list[Batch]:
    batches: list[Batch] = []
    for start in range(0, len(files), bare.batch_images):
        images = [
            decode_image(data, ImageLimits()).pixels for data in files[start : start + bare.batch_images]
        ]
        regions = find_regions(detector, images, bare.rules, StageClock())
        crops = [
            cut(image, region)
            for image, found in zip(images, regions, strict=True)
            for region in _found(found)
        ]
        batches.append((images, crops))
    return batches


def _found(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _resized(batches: Sequence[Batch]) -> list[Batch]:
    from autotag.models.starter.detector import INPUT_SIZE_PX as DETECTOR_PX
    from autotag.models.starter.image_tower import INPUT_SIZE_PX as TOWER_PX
    from autotag.models.starter.square_pixels import resize_to_square

    return [
        ([resize_to_square(i, DETECTOR_PX) for i in images], [resize_to_square(c, TOWER_PX) for c in crops])
        for images, crops in batches
    ]


def _timed(detector: Detector, embedder: Embedder, batches: Sequence[Batch]) -> _Share:
    images, crops = batches[0]
    detector.detect(images)
    embedder.embed_images(crops)
    clock, counted = StageClock(), np.zeros(2, int)
    _barrier.wait(WAIT_S)
    started = time.monotonic()
    for images, crops in batches:
        with clock.stage("detect"):
            answers = detector.detect(images)
        with clock.stage("embed"):
            vectors = embedder.embed_images(crops)
        counted += (len(answers), len(vectors))
    ended = time.monotonic()
    given = (sum(len(images) for images, _ in batches), sum(len(crops) for _, crops in batches))
    if tuple(counted) != given:
        raise RuntimeError(f"the models answered {tuple(counted)} times to {given} images and crops")
    return _Share(*given, started, ended, clock.ms["detect"] / 1000, clock.ms["embed"] / 1000)
