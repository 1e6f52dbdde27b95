"""The kernel over files in memory, timed by stage: the next batch is decoded while the models work on this one."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from autotag.compute.kernel import EmbeddedImage, embed_regions, find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.regions import Region, RegionRules, RgbImage
from autotag.models.protocols import Detector, Embedder
from autotag.storage.images import ImageLimits, decode_image


@dataclass(frozen=True, slots=True)
class KernelFigures:
    """What was measured. Milliseconds are wall time an image; `decode` is summed over threads, `wait` is what of it shows."""

    images: int
    crops: int
    seconds: float
    images_per_s: float
    crops_per_s: float
    decode_ms: float
    wait_ms: float
    detect_ms: float
    crop_ms: float
    embed_ms: float


class FixedBoxes:
    """A detector whose network runs, and whose answer is then replaced by the same boxes in every image."""

    def __init__(self, detector: Detector, boxes: int) -> None:
        """`boxes` objects of 10-60 % of each side; where they lie is fixed by their number alone."""
        self._detector = detector
        chance = np.random.default_rng(boxes)
        sides = chance.uniform(0.1, 0.6, (boxes, 2))
        corners = chance.uniform(0.0, 1.0, (boxes, 2)) * (1 - sides)
        self._shares = np.concatenate([corners, corners + sides], axis=1)

    @property
    def fingerprint(self) -> str:
        """Of the detector that runs."""
        return self._detector.fingerprint

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """The fixed boxes, once the network has run."""
        self._detector.detect(images)
        return [self._boxes(image.shape[1], image.shape[0]) for image in images]

    def _boxes(self, width: int, height: int) -> list[Region]:
        found = (self._shares * (width, height, width, height)).round().astype(int).tolist()
        return [Region("object", (x0, y0, x1, y1), "", 0.9) for x0, y0, x1, y1 in found]


def run_kernel(
    detector: Detector, embedder: Embedder, files: Sequence[bytes], batch: int, threads: int
) -> KernelFigures:
    """All files through the kernel, the next batch decoded by threads while the models work on this one.

    Raises:
        SystemExit: an image or a vector went missing.
    """
    clock, rules = StageClock(), RegionRules(min_area_px=1, score_threshold=0.4, max_regions=64)
    images_done = crops_done = 0
    decode_s: list[float] = []
    started = time.perf_counter()
    for images in _decoded_ahead(files, batch, threads, decode_s, clock):
        regions = find_regions(detector, images, rules, clock)
        with clock.stage("cut and embed"):
            results = embed_regions(embedder, images, regions, clock)
        for result in results:
            if not isinstance(result, EmbeddedImage):
                raise SystemExit(f"an image was rejected: {result}")
            if len(result.vectors) != len(result.regions):
                raise SystemExit(f"{len(result.vectors)} vectors for {len(result.regions)} regions")
            images_done, crops_done = images_done + 1, crops_done + len(result.vectors)
    seconds = time.perf_counter() - started
    if images_done != len(files):
        raise SystemExit(f"{len(files)} images in, {images_done} out")
    each = {stage: ms / images_done for stage, ms in clock.ms.items()}
    return KernelFigures(
        images=images_done,
        crops=crops_done,
        seconds=seconds,
        images_per_s=images_done / seconds,
        crops_per_s=crops_done / seconds,
        decode_ms=1000 * sum(decode_s) / images_done,
        wait_ms=each["wait"],
        detect_ms=each["detect"],
        crop_ms=each["cut and embed"] - each["embed"],
        embed_ms=each["embed"],
    )


def _decoded_ahead(
    files: Sequence[bytes], batch: int, threads: int, decode_s: list[float], clock: StageClock
) -> Iterator[list[RgbImage]]:
    def decode(data: bytes) -> RgbImage:
        started = time.perf_counter()
        pixels = decode_image(data, ImageLimits()).pixels
        decode_s.append(time.perf_counter() - started)
        return pixels

    with ThreadPoolExecutor(threads) as pool:
        batches = [files[start : start + batch] for start in range(0, len(files), batch)]
        ahead = [pool.submit(decode, data) for data in batches[0]]
        for following in [*batches[1:], []]:
            running, ahead = ahead, [pool.submit(decode, data) for data in following]
            with clock.stage("wait"):
                images = [future.result() for future in running]
            yield images
