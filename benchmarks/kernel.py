"""The kernel itself, decode > detect > cut > embed, on any machine: needs torch, torchvision, ultralytics, open_clip, numpy, pillow.

    python benchmarks/kernel.py --device cuda --half --images 2048 --batch 64 --detector yolo11s --embedder ViT-B-32

Weights are random and made on the spot, then loaded by the same adapters as real ones; pictures are synthetic JPEGs.
Random weights find nothing, so the detector runs and its answer is replaced by `--boxes` fixed boxes an image; with
real weights its suppression of overlapping boxes has more to do. The limit beside the rate is the two bare networks on
tensors that lie ready on the device, in the same batches. Ends with 1 when the counts do not close.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if __package__ in (None, ""):  # run as a file: the package lies beside this directory
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from autotag.compute.kernel import EmbeddedImage, embed_regions, find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.regions import Region, RegionRules, RgbImage
from autotag.models.protocols import Detector, Embedder
from autotag.models.registry import ModelSpec, load_detector, load_embedder
from autotag.storage.images import ImageLimits, decode_image

if TYPE_CHECKING:
    import torch

_JPEG_QUALITY = 88
_WARM_UP_BATCHES = 2
_LIMIT_SECONDS = 3.0
_CALLS_A_BLOCK = 10
_CLIP_SIDE_PX = 224


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


@dataclass(frozen=True, slots=True)
class NetworkLimit:
    """The bare networks on ready tensors.

    Attributes:
        detect_ms: an image.
        embed_ms: a crop.
        images_per_s: detector and all crops of an image, one after the other.
    """

    detect_ms: float
    embed_ms: float
    images_per_s: float


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


def synthetic_jpegs(count: int, size_px: tuple[int, int]) -> list[bytes]:
    """Pictures of smooth colour, edges and grain, about as large as photographs when compressed; all different."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda number: _synthetic_jpeg(number, size_px), range(count)))


def _synthetic_jpeg(number: int, size_px: tuple[int, int]) -> bytes:
    chance = np.random.default_rng(number)
    coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size_px, Image.Resampling.BICUBIC), np.int16)
    blocks = Image.fromarray(chance.integers(0, 60, (48, 64, 3), np.uint8))
    edges = np.asarray(blocks.resize(size_px, Image.Resampling.NEAREST), np.int16)
    grain = chance.integers(-9, 10, smooth.shape, np.int16)
    data = BytesIO()
    Image.fromarray((smooth + edges + grain).clip(0, 255).astype(np.uint8)).save(
        data, "JPEG", quality=_JPEG_QUALITY
    )
    return data.getvalue()


def save_detector(directory: Path, architecture: str) -> str:
    """A checkpoint with random weights, e.g. of `yolo11n`; gives the name the registry knows it by."""
    from ultralytics import YOLO

    path = directory / f"{architecture}.pt"
    YOLO(f"{architecture}.yaml", verbose=False).save(str(path))
    return f"yolo:{path}"


def save_embedder(directory: Path, architecture: str) -> str:
    """A checkpoint with random weights, e.g. of `ViT-B-32`; gives the name the registry knows it by."""
    import open_clip
    import torch

    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns of random weights, which are what is wanted
    path = directory / f"{architecture}.pt"
    torch.save({"state_dict": open_clip.create_model(architecture).state_dict()}, path)
    return f"open_clip:{architecture}/{path}"


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


def measure_limit(args: argparse.Namespace, names: tuple[str, str], crops_per_image: float) -> NetworkLimit:
    """Both bare networks on random tensors that lie on the device, in the batches that the adapters are given."""
    import torch

    half = args.half and args.device != "cpu"
    kind = torch.float16 if half else torch.float32
    detect_s = embed_s = 0.0
    if args.detector != "whole":
        network = _bare_detector(names[0], args.device, kind)
        height, width = _letterboxed(args.size_px)
        pixels = torch.rand(args.batch, 3, height, width, device=args.device, dtype=kind)
        detect_s = _seconds_a_call(network, pixels.contiguous(memory_format=torch.channels_last)) / args.batch
    tower = _bare_tower(names[1], args.device, kind)
    crops = torch.rand(args.crop_batch, 3, _CLIP_SIDE_PX, _CLIP_SIDE_PX, device=args.device, dtype=kind)
    embed_s = _seconds_a_call(tower, crops) / args.crop_batch
    return NetworkLimit(1000 * detect_s, 1000 * embed_s, 1 / (detect_s + crops_per_image * embed_s))


def _letterboxed(size_px: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image as the YOLO networks read it: long edge 640, both sides whole strides of 32."""
    scale = 640 / max(size_px)
    width, height = (32 * int(np.ceil(round(side * scale) / 32)) for side in size_px)
    return height, width


def _bare_detector(name: str, device: str, kind: torch.dtype) -> Callable[[torch.Tensor], object]:
    import torch
    from ultralytics import YOLO

    network: Any = YOLO(name.partition(":")[2]).model
    network = network.float().fuse(verbose=False).eval().requires_grad_(False)
    return network.to(device=device, dtype=kind, memory_format=torch.channels_last)


def _bare_tower(name: str, device: str, kind: torch.dtype) -> Callable[[torch.Tensor], object]:
    import open_clip

    architecture, _, path = name.partition(":")[2].partition("/")
    precision = "fp16" if kind.itemsize == 2 else "fp32"
    model: Any = open_clip.create_model(architecture, pretrained=path, precision=precision, device=device)
    return model.eval().requires_grad_(False).encode_image


def _seconds_a_call(network: Callable[[torch.Tensor], object], inputs: torch.Tensor) -> float:
    """Median over blocks of calls of `_LIMIT_SECONDS` together; on a GPU a block is queued at once and waited for."""
    import torch

    calls = _CALLS_A_BLOCK if inputs.is_cuda else 1

    def block() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            network(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize(inputs.device)
        return time.perf_counter() - started

    with torch.inference_mode():
        for _ in range(_WARM_UP_BATCHES):
            block()
        taken = [block()]
        while sum(taken) < _LIMIT_SECONDS:
            taken.append(block())
    return statistics.median(taken) / calls


def _peak_mib(device: str) -> float:
    """Most memory torch held on the device; on the CPU most of this process."""
    import torch

    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return torch.cuda.max_memory_allocated(device) / 2**20


def measure(args: argparse.Namespace, directory: Path) -> dict[str, object]:
    """Make models and pictures, warm up, measure kernel and limit."""
    names = (
        "whole" if args.detector == "whole" else save_detector(directory, args.detector),
        save_embedder(directory, args.embedder),
    )
    shared = {"device": args.device, "threads": args.threads, "half": args.half}
    detector: Detector = load_detector(ModelSpec(names[0], batch_size=args.batch, **shared))
    embedder = load_embedder(ModelSpec(names[1], batch_size=args.crop_batch, **shared))
    if args.boxes:
        detector = FixedBoxes(detector, args.boxes)
    files = synthetic_jpegs(args.images, args.size_px)
    run_kernel(detector, embedder, files[: _WARM_UP_BATCHES * args.batch], args.batch, args.threads)
    figures = run_kernel(detector, embedder, files, args.batch, args.threads)
    peak_mib = _peak_mib(args.device)
    limit = measure_limit(args, names, figures.crops / figures.images)
    return {
        "benchmark": "kernel",
        **{name: value for name, value in vars(args).items() if name != "json"},
        "boxes_note": f"detections replaced by {args.boxes} fixed boxes an image"
        if args.boxes
        else "detections as they are",
        "file_bytes": round(sum(map(len, files)) / len(files)),
        **_rounded(figures),
        "peak_mib": round(peak_mib, 1),
        "limit": _rounded(limit),
        "ratio": round(figures.images_per_s / limit.images_per_s, 3),
    }


def _rounded(figures: KernelFigures | NetworkLimit) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(figures).items()}


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> int:
    """Command line; the last line of the output is one JSON object with `--json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<n>")
    parser.add_argument("--half", action="store_true", help="float16; not on the CPU")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--size-px", type=_size, default=(816, 612), metavar="WxH")
    parser.add_argument("--batch", type=int, default=16, help="images a detector call")
    parser.add_argument("--crop-batch", type=int, default=64, help="crops an embedder call")
    parser.add_argument("--detector", default="yolo11n", help="a YOLO architecture of ultralytics, or whole")
    parser.add_argument(
        "--embedder", default="ViT-B-32", help="an architecture of open_clip that reads 224 px"
    )
    parser.add_argument(
        "--boxes", type=int, default=4, help="fixed boxes an image; 0 keeps the detector's own"
    )
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of decoding and of torch"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        facts = measure(args, Path(directory))
    for name, value in facts.items():
        print(f"{name:>14}  {value}")
    if args.json:
        print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
