"""Builds a reference index over clustered random vectors and measures it.

    python benchmarks/index_recall.py --rows 100000 --dim 640

Vectors are made batch by batch and never held together, so memory is the index, a sample and a batch. Fails
when the index holds another number of rows than were streamed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autotag.errors import AutotagError
from autotag.reference.build import BuildOptions, build_index
from autotag.reference.choose import plan_index
from autotag.reference.faiss_runtime import read_index
from autotag.reference.protocols import Vectors
from autotag.reference.recall import calibrate
from autotag.reference.searcher import ReferenceSearcher, SearchOptions

_BATCH_ROWS = 20_000


def clustered_batches(rows: int, dim: int, seed: int) -> Iterator[np.ndarray]:
    """float16 batches of unit vectors around rows / 50 centres, the same for the same arguments."""
    centres = np.random.default_rng(seed).standard_normal((max(2, rows // 50), dim), dtype=np.float32)
    for number, start in enumerate(range(0, rows, _BATCH_ROWS)):
        rng = np.random.default_rng([seed, number])
        count = min(_BATCH_ROWS, rows - start)
        vectors = centres[rng.integers(0, len(centres), count)]
        vectors = vectors + 0.6 * rng.standard_normal((count, dim), dtype=np.float32)
        yield (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def probes_near(rows: int, dim: int, seed: int, count: int) -> Vectors:
    """float32 unit vectors, each near one of the first batch and in no batch."""
    first = next(clustered_batches(rows, dim, seed))[:count].astype(np.float32)
    noise = np.random.default_rng(seed + 1).standard_normal(first.shape, np.float32)
    moved = first + 0.3 / np.sqrt(dim) * noise
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def measure(args: argparse.Namespace, directory: Path) -> dict[str, object]:
    """Build, search, compare."""

    def batches() -> Iterator[np.ndarray]:
        return clustered_batches(args.rows, args.dim, args.seed)

    plan = plan_index(
        args.rows, args.dim, args.budget_mib << 20, factory=args.factory or None, device=args.device
    )
    options = BuildOptions(device=args.device, threads=args.threads)
    built = build_index(plan, batches, directory / "index.faiss", options)
    index = read_index(built.path)
    if index.ntotal != args.rows:
        raise SystemExit(f"{index.ntotal} rows in the index, {args.rows} were streamed")
    search = SearchOptions(device=args.device, threads=args.threads)
    searcher = ReferenceSearcher(index, plan.search_params, search)
    probes = probes_near(args.rows, args.dim, args.seed, args.probes)
    calibration = calibrate(searcher, probes, batches, args.target)
    queries = probes_near(args.rows, args.dim, args.seed, args.queries)
    started = time.perf_counter()
    searcher.search(queries, 10)
    search_s = time.perf_counter() - started
    return {
        "rows": args.rows,
        "dim": args.dim,
        "factory": plan.factory,
        "search_params": calibration.search_params,
        "train_rows": built.trained_on_rows,
        "train_s": round(built.train_s, 2),
        "add_s": round(built.add_s, 2),
        "rows_per_s": round(args.rows / (built.train_s + built.add_s)),
        "recall_at_10": round(calibration.recall, 4),
        "tried": {str(nprobe): round(recall, 4) for nprobe, recall in calibration.tried.items()},
        "queries": len(queries),
        "ms_per_query": round(1000 * search_s / len(queries), 4),
        "size_bytes": built.size_bytes,
        "estimated_bytes": plan.estimated_bytes,
        "reason": plan.reason,
    }


def main() -> int:
    """Command line; prints one JSON object, returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=640)
    parser.add_argument("--factory", default="", help="FAISS factory string; empty = chosen")
    parser.add_argument("--budget-mib", type=int, default=4096)
    parser.add_argument("--probes", type=int, default=200, help="vectors the recall is measured with")
    parser.add_argument("--queries", type=int, default=2000, help="queries of the timed call")
    parser.add_argument("--target", type=float, default=0.95, help="recall@10 that nprobe is raised for")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory:
            result = measure(args, Path(directory))
    except AutotagError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
