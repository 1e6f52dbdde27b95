"""Scores a folder's stored vectors against a label list: from Parquet to Parquet, and again with other thresholds only.

    python -m benchmarks.label_scores --images 10000 --labels 1000 --repeat 3

Vectors of regions and labels are random, of unit norm, and lie on disk as the steps before would have left them; making them
is not timed. Timed is the verb as the asset calls it: vectors read, compared, the best region of each image found, labels
ranked, every score written; then, as *rethreshold*, the stored scores read, ranked by another threshold, and written.
Ends with 1 when a row is missing, or an image's scores are not what its vectors give.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.domain.label_ranking import RankingRules
from autotag.domain.regions import Region
from autotag.domain.schemas import TARGET_IMAGES, TARGET_REGIONS, target_embeddings
from autotag.domain.vectors import normalise, vectors_from_arrow, vectors_to_arrow
from autotag.errors import CountsDoNotCloseError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.label_vectors import store_label_vectors
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.region_rows import region_columns, repeat_for_regions
from autotag.pipeline.score_labels import LabelRules, ScoredFolder, rethreshold, score_labels
from autotag.settings import Settings
from autotag.storage.removal import remove_file
from autotag.storage.tables import Stamp, TableWriter, read_table, write_table
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.command_line import write_settings

Vectors = npt.NDArray[np.float32]

FOLDER = "made"
MODELS = '[models]\ndetector = "fake"\nembedder = "fake"\n'
TEMPLATES = ("{}",)
OBJECTS = (1, 2, 3)
"""Objects of an image, in turn: with the whole image, three regions on average."""
IMAGES_A_BATCH = 1000
PROBES = 20
SLACK = 2e-3
"""Vectors and scores are stored as float16."""


def made_plan(directory: Path) -> PipelinePlan:
    """A plan below a directory; its models are never loaded."""
    return plan_of(
        Settings.load(write_settings(directory / "autotag.toml", {"data": directory / "data"}, 1, MODELS))
    )


def unit_vectors(seed: int, count: int, dim: int) -> Vectors:
    """float32 (count, dim), unit L2 norm, uniform on the sphere."""
    return normalise(np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32))


def make_embeddings(plan: PipelinePlan, images: int, dim: int) -> int:
    """Tables of a folder that was embedded; gives its regions."""
    tables, schema = plan.layout.folder_tables(FOLDER), target_embeddings(dim)
    write_table(tables.images, TARGET_IMAGES.empty_table(), TARGET_IMAGES, Stamp("target_images", "", "made"))
    recorded = Stamp("target_crops", plan.model_id, "made", {"images": "made"})
    write_table(tables.regions, TARGET_REGIONS.empty_table(), TARGET_REGIONS, recorded)
    stamp = Stamp("target_embeddings", plan.model_id, embeddings_fingerprint(plan, FOLDER))
    with TableWriter(tables.embeddings, schema, stamp) as writer:
        for start in range(0, images, IMAGES_A_BATCH):
            writer.write(_rows(range(start, min(start + IMAGES_A_BATCH, images)), dim, schema))
        counts = StepCounts(taken=images, made=images, regions=writer.rows, units=1)
        stamp.extra["counts"] = counts.to_record()
        return writer.rows


def _rows(numbers: range, dim: int, schema: pa.Schema) -> pa.Table:
    files = [f"{number:07d}.jpg" for number in numbers]
    whole, thing = Region("image", (0, 0, 640, 480), "", 1.0), Region("object", (9, 9, 99, 99), "thing", 0.9)
    regions = [[whole, *[thing] * OBJECTS[number % len(OBJECTS)]] for number in numbers]
    columns = region_columns([media_id(file.encode()) for file in files], regions)
    vectors = unit_vectors(numbers.start, len(columns["kind"]), dim)
    embedding = vectors_to_arrow(vectors)
    return pa.table(
        {"file": repeat_for_regions(files, regions), **columns, "embedding": embedding}, schema=schema
    )


def refuse_wrong_scores(plan: PipelinePlan, images: int, labels: Vectors) -> None:
    """Compare rows and some images' scores with what their vectors give.

    Raises:
        CountsDoNotCloseError: a row is missing, or a score is another one.
    """
    tables = plan.layout.folder_tables(FOLDER)
    held = read_table(tables.label_scores, ["file"])["file"]
    if len(held) != images or len(held.unique()) != images:
        raise CountsDoNotCloseError(f"{len(held)} rows of {len(held.unique())} files instead of {images}")
    for number in np.unique(np.linspace(0, images - 1, PROBES).astype(int)):
        file = held[int(number)].as_py()
        vectors = vectors_from_arrow(read_table(tables.embeddings, span=("file", file, file))["embedding"])
        (row,) = read_table(tables.label_scores, span=("file", file, file)).to_pylist()
        cosines = vectors @ labels.T
        if not np.allclose(row["scores"], cosines.max(axis=0), atol=SLACK) or not np.allclose(
            row["image_scores"], cosines[0], atol=SLACK
        ):
            raise CountsDoNotCloseError(f"the stored scores of {file} are not the cosines of its vectors")


def timed(verb: Callable[[], ScoredFolder], images: int) -> float:
    """Seconds of a call.

    Raises:
        CountsDoNotCloseError: images in are not images out, or it found its work done.
    """
    started = time.perf_counter()
    counts = verb().counts
    seconds = time.perf_counter() - started
    if not counts.taken == counts.made == images or counts.resumed:
        raise CountsDoNotCloseError(f"{images} images, counted: {counts.as_dict()}")
    return seconds


def measure(args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Make the folder, score it, re-rank it; medians over the repeats.

    Raises:
        CountsDoNotCloseError: see `timed` and `refuse_wrong_scores`.
    """
    plan, names = made_plan(directory), tuple(f"label {number}" for number in range(args.labels))
    regions = make_embeddings(plan, args.images, args.dim)
    labels = unit_vectors(args.images + 1, args.labels, args.dim)
    store_label_vectors(plan, names, TEMPLATES, labels)
    rules, table = RankingRules(5, 0.1), plan.layout.folder_tables(FOLDER).label_scores
    scoring, again = [], []
    for _ in range(args.repeat):
        remove_file(table)
        scoring.append(
            timed(lambda: score_labels(plan, FOLDER, LabelRules(names, TEMPLATES, rules)), args.images)
        )
        again.append(timed(lambda: rethreshold(plan, FOLDER, RankingRules(5, 0.12)), args.images))
    refuse_wrong_scores(plan, args.images, labels)
    return {
        "images": args.images,
        "regions": regions,
        "labels": args.labels,
        "dim": args.dim,
        "repeats": args.repeat,
        "score_s": round(statistics.median(scoring), 3),
        "rethreshold_s": round(statistics.median(again), 3),
        "images_per_s": round(args.images / statistics.median(scoring), 1),
        "size_bytes": table.stat().st_size,
        "all": {"score_s": scoring, "rethreshold_s": again},
    }


@failures_told()
def main() -> int:
    """Command line; 1 when the counts do not close."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=640, help="length of a vector (the starter embedder's)")
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    if min(args.images, args.labels, args.dim, args.repeat) < 1:
        parser.error("--images, --labels, --dim and --repeat are 1 or more")
    with tempfile.TemporaryDirectory(prefix="autotag-") as directory:
        facts = measure(args, Path(directory))
    title = (
        f"label scores, {facts['images']} images with {facts['regions']} regions x {facts['labels']} labels"
    )
    table = Table("score s", "rethreshold s", "images/s", "MiB", title=title, box=None)
    table.add_row(
        f"{facts['score_s']:.2f}",
        f"{facts['rethreshold_s']:.2f}",
        f"{facts['images_per_s']:.0f}",
        f"{facts['size_bytes'] / 2**20:.0f}",
    )
    console = Console(width=110)
    console.print(table)
    console.print(f"counts close; median of {facts['repeats']}", highlight=False)
    print_facts(args, "label_scores", facts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
