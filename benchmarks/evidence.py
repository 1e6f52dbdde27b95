"""Asks why an image has a tag, in a large folder: the evidence of one tag, and the pictures that voted, without a model.

    python -m benchmarks.evidence --images 10000 --labels 1000

The folder's tables are synthetic, with as many rows as a real folder would have: evidence of five tags an image with eight
votes each, regions, and a score for every label. *Cold* is the first question of a new process, imports not counted; *warm*
is the median over images spread over the folder, each asked for the first time. *Pictures* are the eight voters of a tag,
cut from a tar by byte range, decoded and shrunk. Ends with 1 when an answer is not what the tables were made with, or takes
longer than 200 ms in the median.
"""

import argparse
import io
import statistics
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console
from rich.table import Table

from autotag.domain.identity import media_id
from autotag.domain.schemas import EVIDENCE, SOURCE_IMAGES, TARGET_REGIONS, label_scores
from autotag.errors import CountsDoNotCloseError
from autotag.pipeline.label_score_rows import rows_a_group
from autotag.review.evidence import TagEvidence, vote_evidence, zero_shot_evidence
from autotag.review.source_pictures import SourcePictures, SourceRegion
from autotag.settings import Settings
from autotag.storage.folder_tables import FolderTables
from autotag.storage.images import ImageLimits
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of
from autotag.storage.tables import ROW_GROUP_ROWS, Stamp, TableWriter, write_table
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts

MODEL_ID = "synthetic+synthetic"
SHARD = "00000"
TAGS, VOTES, REGIONS = 5, 8, 3
SHARD_IMAGES = 10_000
LIMIT_MS = 200.0
_IMAGES_AT_ONCE = 1000
_PICTURE_PX = (1000, 750)
_THUMBNAIL_PX = 240
_DIFFERENT_PICTURES = 64
_BOX = (100, 80, 700, 600)


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured: name, and milliseconds of the first answer, and of each later one."""

    name: str
    cold_ms: float
    warm_ms: list[float]

    @property
    def median_ms(self) -> float:
        """Of the later answers."""
        return statistics.median(self.warm_ms)


def file_name(number: int) -> str:
    """Of an image of the folder."""
    return f"IMG_{number:06d}.jpg"


def write_votes(tables: FolderTables, images: int, media: list[str]) -> None:
    """Evidence: voter v of tag t of image i is archive image (i * 7 + v), by region v % REGIONS."""
    stamp = Stamp("evidence", MODEL_ID)
    with TableWriter(tables.evidence, EVIDENCE, stamp, ROW_GROUP_ROWS) as writer:
        for first in range(0, images, _IMAGES_AT_ONCE):
            image, tag, vote = (
                values.ravel()
                for values in np.mgrid[first : min(images, first + _IMAGES_AT_ONCE), :TAGS, :VOTES]
            )
            voter, region = (image * 7 + vote) % len(media), vote % REGIONS
            writer.write(
                {
                    "file": [file_name(number) for number in image.tolist()],
                    "tag": [f"tag{number}" for number in tag],
                    "tag_score": (0.9 - tag / 10).astype(np.float32),
                    "region_index": region.astype(np.int16),
                    "box_xyxy_px": _boxes(region),
                    "source_region_id": [f"{media[number]}-001" for number in voter],
                    "source_media_id": [media[number] for number in voter],
                    "source_shard": [SHARD] * len(image),
                    "source_key": [f"key{number:06d}" for number in voter],
                    "source_box_xyxy_px": [_BOX] * len(image),
                    "similarity": np.full(len(image), 0.8, np.float32),
                    "share": np.full(len(image), 1 / VOTES, np.float32),
                }
            )


def write_regions(tables: FolderTables, images: int) -> None:
    """The boxes of every image."""
    image, region = (values.ravel() for values in np.mgrid[:images, :REGIONS])
    columns = {
        "file": [file_name(number) for number in image.tolist()],
        "region_id": [f"{number:064x}-{index:03d}" for number, index in zip(image, region, strict=True)],
        "media_id": [f"{number:064x}" for number in image],
        "region_index": region.astype(np.int16),
        "kind": ["object" if index else "image" for index in region],
        "box_xyxy_px": _boxes(region),
        "area_px": np.ones(len(image), np.int64),
        "class_name": [""] * len(image),
        "score": np.ones(len(image), np.float32),
        "crop_file": [None] * len(image),
    }
    table = pa.table(columns, schema=TARGET_REGIONS)
    write_table(tables.regions, table, TARGET_REGIONS, Stamp("target_crops", MODEL_ID))


def write_scores(tables: FolderTables, images: int, labels: int, group_rows: int) -> None:
    """Scores of every image for every label; label l of image i is best in region (i + l) % REGIONS."""
    schema = label_scores(labels)
    stamp = Stamp("label_scores", MODEL_ID, "x", {"labels": [f"label{number}" for number in range(labels)]})
    chance = np.random.default_rng(0)
    with TableWriter(tables.label_scores, schema, stamp, group_rows) as writer:
        for first in range(0, images, _IMAGES_AT_ONCE):
            image = np.arange(first, min(images, first + _IMAGES_AT_ONCE))
            count = len(image)
            region = (image[:, None] + np.arange(labels)) % REGIONS
            values = {
                "image_scores": chance.random(count * labels).astype(np.float16),
                "scores": chance.random(count * labels).astype(np.float16),
                "best_region": region.ravel().astype(np.int16),
            }
            columns = {
                "file": [file_name(number) for number in image.tolist()],
                "media_id": [f"{number:064x}" for number in image],
                "top1": ["label0"] * count,
                "top1_score": np.ones(count, np.float32),
                "topk_labels": [["label0"]] * count,
                "topk_scores": [[1.0]] * count,
                "over_threshold": [["label0"]] * count,
            }
            lists = {
                name: pa.FixedSizeListArray.from_arrays(pa.array(flat), type=schema.field(name).type)
                for name, flat in values.items()
            }
            writer.write(pa.table({**columns, **lists}).cast(schema))


def write_archive(layout: Layout) -> list[str]:
    """A shard of JPEGs, and its manifest; the media ids, by number. A few pictures stand for all: only bytes count."""
    chance = np.random.default_rng(1)
    pictures: list[bytes] = []
    for _ in range(_DIFFERENT_PICTURES):
        noise = Image.fromarray(chance.integers(0, 255, (30, 40, 3), dtype=np.uint8))
        stream = io.BytesIO()
        noise.resize(_PICTURE_PX, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=88)
        pictures.append(stream.getvalue())
    media = [media_id(data) for data in pictures]
    offsets: list[int] = []
    Path(layout.source_shards.path).mkdir(parents=True)
    with Path(layout.shard(SHARD).path).open("wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for number in range(SHARD_IMAGES):
            data = pictures[number % _DIFFERENT_PICTURES]
            info = tarfile.TarInfo(f"key{number:06d}.jpg")
            info.size = len(data)
            offsets.append(tar.offset + tarfile.BLOCKSIZE)
            tar.addfile(info, io.BytesIO(data))
    every = range(SHARD_IMAGES)
    columns = {
        "media_id": [media[number % _DIFFERENT_PICTURES] for number in every],
        "key": [f"key{number:06d}" for number in every],
        "member": [f"key{number:06d}.jpg" for number in every],
        "offset_bytes": offsets,
        "size_bytes": [len(pictures[number % _DIFFERENT_PICTURES]) for number in every],
        "width": [_PICTURE_PX[0]] * SHARD_IMAGES,
        "height": [_PICTURE_PX[1]] * SHARD_IMAGES,
        "format": ["JPEG"] * SHARD_IMAGES,
        "phash": ["0" * 16] * SHARD_IMAGES,
        "tags": [["tag"]] * SHARD_IMAGES,
        "caption": [None] * SHARD_IMAGES,
    }
    path = layout.source(MODEL_ID).images(SHARD)
    write_table(path, pa.table(columns, schema=SOURCE_IMAGES), SOURCE_IMAGES, Stamp("source_images"))
    return columns["media_id"]


def _boxes(region: np.ndarray) -> pa.Array:
    flat = np.stack([region, region, region + 100, region + 200], axis=1).astype(np.int32).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=EVIDENCE.field("box_xyxy_px").type)


def ask_votes(tables: FolderTables, images: list[int]) -> Question:
    """The evidence of one tag of each image.

    Raises:
        CountsDoNotCloseError: an answer is wrong.
    """

    def answer(number: int) -> None:
        found = vote_evidence(tables, file_name(number), f"tag{number % TAGS}")
        _check(len(found) == 1 and len(found[0].votes) == VOTES, found)
        _check({each.key for each in found[0].votes} == _voters(number), found)

    return _timed("one tag of the vote", answer, images)


def ask_labels(tables: FolderTables, images: list[int], labels: int) -> Question:
    """The evidence of one label of each image.

    Raises:
        CountsDoNotCloseError: an answer is wrong.
    """

    def answer(number: int) -> None:
        label = number % labels
        found = zero_shot_evidence(tables, file_name(number), f"label{label}")
        _check(len(found) == 1 and found[0].regions[0].region_index == (number + label) % REGIONS, found)

    return _timed("one label", answer, images)


def ask_pictures(layout: Layout, tables: FolderTables, images: list[int]) -> Question:
    """The pictures of all who voted for one tag of each image.

    Raises:
        CountsDoNotCloseError: one is missing.
    """
    pictures = SourcePictures(layout, ImageLimits())

    def answer(number: int) -> None:
        (found,) = vote_evidence(tables, file_name(number), "tag0")
        for vote in found.votes:
            region = SourceRegion(vote.shard, vote.key, vote.media_id, vote.box_xyxy_px)
            shown = pictures.picture(found.model_id, region, _THUMBNAIL_PX)
            if not shown.jpeg:
                raise CountsDoNotCloseError(f"a picture is missing: {shown.reason}")

    return _timed(f"one tag with its {VOTES} pictures", answer, images)


def _voters(number: int) -> set[str]:
    return {f"key{(number * 7 + vote) % SHARD_IMAGES:06d}" for vote in range(VOTES)}


def _check(is_right: bool, found: list[TagEvidence]) -> None:
    if not is_right:
        raise CountsDoNotCloseError(f"the evidence is not what the tables were made with: {found}")


def _timed(name: str, answer: Any, images: list[int]) -> Question:
    spent_ms: list[float] = []
    for number in images:
        started = time.perf_counter()
        answer(number)
        spent_ms.append(1000 * (time.perf_counter() - started))
    return Question(name, spent_ms[0], spent_ms[1:])


def measure(args: argparse.Namespace, directory: Path) -> list[Question]:
    """Make the tables, and ask.

    Raises:
        CountsDoNotCloseError: an answer is wrong.
    """
    settings = directory / "autotag.toml"
    settings.write_text("")
    layout = layout_of(Settings.load(settings))
    tables = layout.folder_tables("folder")
    media = write_archive(layout)
    write_votes(tables, args.images, media)
    write_regions(tables, args.images)
    write_scores(tables, args.images, args.labels, args.group_rows or rows_a_group(args.labels))
    images = np.linspace(0, args.images - 1, args.questions + 1).astype(int).tolist()
    np.random.default_rng(2).shuffle(images)
    return [
        ask_votes(tables, images),
        ask_labels(tables, images, args.labels),
        ask_pictures(layout, tables, images),
    ]


def print_report(args: argparse.Namespace, questions: list[Question]) -> None:
    """For people."""
    title = f"why an image has a tag, {args.images:,} images, {args.labels:,} labels"
    table = Table("", "cold ms", "median ms", "slowest ms", "must be", title=title, box=None)
    for each in questions:
        figures = (each.cold_ms, each.median_ms, max(each.warm_ms))
        table.add_row(each.name, *(f"{ms:.0f}" for ms in figures), f"{LIMIT_MS:.0f}")
    Console(width=110).print(table)


@failures_told()
def main() -> int:
    """Command line; 1 when an answer is wrong or too slow."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=30, help="warm ones, of each kind")
    parser.add_argument(
        "--group-rows", type=int, default=0, help="rows a row group of the label scores; 0 = as autotag does"
    )
    args = parser.parse_args()
    if min(args.images, args.labels, args.questions) < 1:
        parser.error("--images, --labels and --questions are 1 or more")
    with tempfile.TemporaryDirectory(prefix="autotag-") as directory:
        questions = measure(args, Path(directory))
    print_report(args, questions)
    facts = {
        each.name: {"cold_ms": each.cold_ms, "median_ms": each.median_ms, "all_ms": each.warm_ms}
        for each in questions
    }
    print_facts(args, "evidence", {"images": args.images, "labels": args.labels, **facts})
    return int(max(each.median_ms for each in questions) > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
