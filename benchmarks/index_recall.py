"""Builds a reference index over random vectors and measures it: rate of the build, recall@10 at the calibrated nprobe, ms a query.

    python -m benchmarks.index_recall --rows 200000 --dim 384 --repeat 3

The vectors are made beforehand, into a float16 file, and are not timed; the build is: it reads them, memory-mapped, in
batches as large as those of the Parquet tables, once to learn and once to add. *clustered* are groups of about 50 alike
vectors; *subspace* are uniform on a sphere of 40 dimensions, with some noise in all: no groups, so nearly the hardest there
is for inverted lists. Probes are rows of the index that are not counted as neighbours of themselves. Ends with 1 when a
pass over the vectors gives another number of rows than the index holds, or when two builds give different files.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from autotag.errors import CountsDoNotCloseError
from autotag.reference.build import BuildOptions, BuiltIndex, build_index
from autotag.reference.choose import IndexPlan, plan_index
from autotag.reference.faiss_runtime import read_index
from autotag.reference.protocols import Batch, Vectors
from autotag.reference.recall import calibrate
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts

ROWS_A_BATCH = 16_384
_SUBSPACE_DIM = 40
_NEIGHBOURS = 10

Halves = npt.NDArray[np.float16]
Draw = Callable[[np.random.Generator, int], Vectors]


class CountedVectors:
    """The vectors as a stream that counts the rows of its last pass."""

    def __init__(self, vectors: Halves) -> None:
        """`vectors`: float16 (rows, dim), unit L2 norm."""
        self._vectors = vectors
        self.rows = 0

    def __call__(self) -> Iterator[Batch]:
        """Start a pass."""
        self.rows = 0
        for start in range(0, len(self._vectors), ROWS_A_BATCH):
            batch = np.asarray(self._vectors[start : start + ROWS_A_BATCH])
            self.rows += len(batch)
            yield batch


def clustered(rows: int, dim: int, seed: int) -> Draw:
    """Vectors around rows / 50 centres."""
    centres = np.random.default_rng(seed).standard_normal((max(2, rows // 50), dim), dtype=np.float32)

    def draw(rng: np.random.Generator, count: int) -> Vectors:
        noise = rng.standard_normal((count, dim), dtype=np.float32)
        noise *= 0.6
        return centres[rng.integers(0, len(centres), count)] + noise

    return draw


def in_subspace(_rows: int, dim: int, seed: int) -> Draw:
    """Directions of a space of 40 dimensions, and noise of a tenth of their energy in all dimensions."""
    inner = min(dim, _SUBSPACE_DIM)
    square = np.random.default_rng(seed).standard_normal((dim, inner))
    axes = np.linalg.qr(square)[0].T.astype(np.float32)

    def draw(rng: np.random.Generator, count: int) -> Vectors:
        directions = rng.standard_normal((count, inner), dtype=np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        noise = rng.standard_normal((count, dim), dtype=np.float32)
        return directions @ axes + np.float32(0.3 / math.sqrt(dim)) * noise

    return draw


KINDS = {"clustered": clustered, "subspace": in_subspace}


def write_vectors(path: Path, draw: Draw, rows: int, dim: int, seed: int) -> Halves:
    """Unit vectors in a file, memory-mapped: float16 (rows, dim), the same for the same arguments."""
    vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dim))
    for start in range(0, rows, ROWS_A_BATCH):
        block = draw(np.random.default_rng([seed, start]), min(ROWS_A_BATCH, rows - start))
        vectors[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    vectors.flush()
    return vectors


def spread(vectors: Halves, count: int) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Row numbers spread evenly, and their vectors."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, count).astype(np.int64))
    return rows, vectors[rows].astype(np.float32)


def build_counted(plan: IndexPlan, stream: CountedVectors, path: Path, options: BuildOptions) -> BuiltIndex:
    """Build once.

    Raises:
        CountsDoNotCloseError: the index holds another number of rows than were planned, or streamed by its last pass.
    """
    built = build_index(plan, stream, path, options)
    held = read_index(path).ntotal
    if not held == stream.rows == plan.rows:
        raise CountsDoNotCloseError(
            f"{held} rows in the index, {stream.rows} were streamed, {plan.rows} were made"
        )
    return built


def ms_per_query(searcher: ReferenceSearcher, queries: Vectors) -> float:
    """Wall time of one search call, shared out."""
    started = time.perf_counter()
    searcher.search(queries, _NEIGHBOURS)
    return 1000 * (time.perf_counter() - started) / len(queries)


def measure(args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Build, calibrate, search; medians over the repeats.

    Raises:
        CountsDoNotCloseError: see `build_counted`, or a build gave another file than the one before.
        SettingsError: the factory does not suit, or nothing fits the budget.
    """
    plan = plan_index(
        args.rows,
        args.dim,
        args.budget_mib << 20,
        factory=args.factory or None,
        target_recall=args.target,
        device=args.device,
    )
    draw = KINDS[args.vectors](args.rows, args.dim, args.seed)
    vectors = write_vectors(directory / "vectors.npy", draw, args.rows, args.dim, args.seed)
    stream, path = CountedVectors(vectors), directory / "index.faiss"
    options = BuildOptions(args.device, args.threads)
    builds = [build_counted(plan, stream, path, options) for _ in range(args.repeat)]
    if args.device == "cpu" and len({built.sha256 for built in builds}) > 1:
        raise CountsDoNotCloseError("builds of the same vectors gave different files")
    search = SearchOptions(device=args.device, threads=args.threads)
    searcher = ReferenceSearcher(read_index(path), plan.search_params, search)
    own_rows, probes = spread(vectors, args.probes)
    calibration = calibrate(searcher, probes, stream, args.target, _NEIGHBOURS, own_rows)
    queries = spread(vectors, args.queries)[1]
    searches = [ms_per_query(searcher, queries) for _ in range(args.repeat)]
    return {
        "vectors": args.vectors,
        "rows": args.rows,
        "dim": args.dim,
        "repeats": args.repeat,
        "factory": plan.factory,
        "search_params": calibration.search_params,
        "recall_at_10": round(calibration.recall, 4),
        "tried": {f"{nprobe:g}": round(recall, 4) for nprobe, recall in calibration.tried.items()},
        "train_rows": plan.train_rows,
        "train_s": _median(built.train_s for built in builds),
        "add_s": _median(built.add_s for built in builds),
        "rows_per_s": _median(args.rows / (built.train_s + built.add_s) for built in builds),
        "ms_per_query": _median(searches),
        "size_bytes": builds[0].size_bytes,
        "estimated_bytes": plan.estimated_bytes,
        "reason": plan.reason,
        "all": {
            "train_s": [built.train_s for built in builds],
            "add_s": [built.add_s for built in builds],
            "ms_per_query": searches,
        },
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)


def print_report(facts: dict[str, Any]) -> None:
    """For people."""
    console = Console(width=110)
    title = f"reference index, {facts['rows']} {facts['vectors']} vectors of length {facts['dim']}"
    table = Table(
        "factory", "recall@10", "vectors/s", "train s", "add s", "ms a query", title=title, box=None
    )
    table.add_row(
        facts["factory"],
        f"{facts['recall_at_10']:.3f}",
        f"{facts['rows_per_s']:.0f}",
        f"{facts['train_s']:.2f}",
        f"{facts['add_s']:.2f}",
        f"{facts['ms_per_query']:.3f}",
    )
    console.print(table)
    params = (
        ", ".join(f"{name} {value:g}" for name, value in facts["search_params"].items()) or "every vector"
    )
    console.print(
        f"{params}; trained on {facts['train_rows']} rows; {facts['size_bytes'] / 2**20:.0f} MiB, estimated"
        f" {facts['estimated_bytes'] / 2**20:.0f}; counts close; median of {facts['repeats']}",
        highlight=False,
    )


@failures_told()
def main() -> int:
    """Command line; 1 when the counts do not close."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--vectors", choices=sorted(KINDS), default="clustered")
    parser.add_argument("--factory", default="", help="FAISS factory string; empty = chosen")
    parser.add_argument("--budget-mib", type=int, default=4096)
    parser.add_argument("--probes", type=int, default=500, help="vectors the recall is measured with")
    parser.add_argument("--queries", type=int, default=2000, help="queries of the timed call")
    parser.add_argument(
        "--target",
        type=float,
        default=0.98,
        help="recall@10 that nprobe is raised for (the settings' default)",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    if min(args.rows, args.dim, args.probes, args.queries, args.repeat) < 1:
        parser.error("--rows, --dim, --probes, --queries and --repeat are 1 or more")
    with tempfile.TemporaryDirectory(prefix="autotag-") as directory:
        facts = measure(args, Path(directory))
    print_report(facts)
    print_facts(args, "index_recall", facts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
