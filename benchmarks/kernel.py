"""The kernel itself, decode > detect > cut > embed, on any machine: needs torch, torchvision, ultralytics, open_clip, numpy, pillow.

    python benchmarks/kernel.py --device cuda --half --images 2048 --batch 64 --detector yolo11s --embedder ViT-B-32

Weights are random and made on the spot, then loaded by the same adapters as real ones; pictures are synthetic JPEGs.
Random weights find nothing, so the detector runs and its answer is replaced by `--boxes` fixed boxes an image; with
real weights its suppression of overlapping boxes has more to do. The limit beside the rate is the two bare networks on
tensors that lie ready on the device, in the same batches. Ends with 1 when the counts do not close.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

if __package__ in (None, ""):  # run as a file: both packages lie beside this directory
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from autotag.models.protocols import Detector
from autotag.models.registry import ModelSpec, load_detector, load_embedder
from benchmarks.bare_networks import BareNetworks, NetworkLimit, measure_limit
from benchmarks.kernel_pass import FixedBoxes, KernelFigures, run_kernel
from benchmarks.made_inputs import save_detector, save_embedder, synthetic_jpegs

_WARM_UP_BATCHES = 2


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
    bare = BareNetworks(*names, args.device, args.half, args.size_px, args.batch, args.crop_batch)
    limit = measure_limit(bare, figures.crops / figures.images)
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
