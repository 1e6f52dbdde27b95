"""How well the archive tags a folder with known tags, and how well words find its pictures.

    python -m benchmarks.tagging_quality --data DIR

`DIR` holds `source/<NNNNN>.tar`, `tags/<NNNNN>.parquet` (key, tags, caption), `target/dev/` and `truth_dev.parquet` (file,
tags, caption). Tags: the real command line, from `segment-source` to `evaluate`. Words: the folder's own pictures become a
one-shard archive, and each caption asks for its picture among them; found is what is among the first five. Works on
copies and leaves `DIR` as it is.
"""

import io
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from autotag.errors import MissingInputError
from autotag.pipeline.plan import loaded_embedder, plan_of
from autotag.search.archive_search import search_archive
from autotag.search.reference_reader import open_reference
from autotag.settings import Settings
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.command_line import autotag, write_settings

FOLDER = "dev"
TRUTH = f"truth_{FOLDER}.parquet"
FIRST = 5


def measure_tags(data: Path, work: Path, more: str) -> dict[str, Any]:
    """Tag the folder by the archive; gives what `evaluate` says, and the seconds of each verb."""
    shards = sorted(path.stem for path in (data / "source").glob("*.tar"))
    if not shards:
        raise MissingInputError(f"{data / 'source'} holds no tar")
    paths = {
        "data": work / "tags",
        "source_shards": data / "source",
        "source_tags": data / "tags",
        "target": data / "target",
    }
    work.joinpath("tags").mkdir()
    settings = write_settings(work / "tags" / "autotag.toml", paths, len(shards), more)
    seconds = {verb: autotag(settings, verb).watched.seconds for verb in ("segment-source", "build-index")}
    seconds["process-target"] = autotag(settings, "process-target", "--folder", FOLDER).watched.seconds
    told = autotag(settings, "evaluate", "--folder", FOLDER, "--truth", str(data / TRUTH)).facts
    truth = pq.read_metadata(data / TRUTH).num_rows
    if told["images"]["compared"] != truth:
        raise MissingInputError(
            f"{told['images']['compared']} of {truth} images of the truth were compared: {told['images']}"
        )
    return {"micro": told["micro"], "macro": told["macro"], "images": told["images"], "seconds": seconds}


def measure_words(data: Path, work: Path, more: str) -> dict[str, Any]:
    """Ask for each of the folder's pictures by its caption; gives the share found among the first five, and first."""
    rows = pq.read_table(data / TRUTH, columns=["file", "tags", "caption"]).to_pylist()
    root = work / "words"
    _write_shard(data / "target" / FOLDER, rows, root)
    settings = write_settings(root / "autotag.toml", {"data": root}, 1, more)
    autotag(settings, "segment-source")
    autotag(settings, "build-index")
    plan = plan_of(Settings.load(settings))
    reference, embedder = open_reference(plan.layout, plan.model_id), loaded_embedder(plan.embedder)
    held = sum(shard.images for shard in reference.manifest.shards.values())
    if held != len(rows):
        raise MissingInputError(f"the index holds {held} images instead of {len(rows)}")
    started = time.perf_counter()
    ranks = [
        _rank(search_archive(reference, embedder, row["caption"], FIRST), number)
        for number, row in enumerate(rows)
    ]
    seconds = time.perf_counter() - started
    return {
        "captions": len(rows),
        f"recall_at_{FIRST}": round(sum(rank > 0 for rank in ranks) / len(rows), 4),
        "recall_at_1": round(ranks.count(1) / len(rows), 4),
        "ms_per_caption": round(1000 * seconds / len(rows), 2),
    }


def _rank(hits: list[Any], number: int) -> int:
    """Rank of the picture, 0 when it is not among the hits."""
    return next((hit.rank for hit in hits if hit.key == _key(number)), 0)


def _key(number: int) -> str:
    return f"{number:05d}"


def _write_shard(folder: Path, rows: list[dict[str, Any]], root: Path) -> None:
    for part in ("shards", "tags"):
        (root / "source" / part).mkdir(parents=True)
    with tarfile.open(root / "source" / "shards" / "00000.tar", "w") as archive:
        for number, row in enumerate(rows):
            data = (folder / row["file"]).read_bytes()
            info = tarfile.TarInfo(f"{_key(number)}{Path(row['file']).suffix}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    table = pa.table({"key": [_key(n) for n in range(len(rows))], "tags": [row["tags"] for row in rows]})
    pq.write_table(table, root / "source" / "tags" / "00000.parquet")


@failures_told()
def main() -> int:
    """Command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--settings", type=Path, help="TOML added to the settings, without [paths] and [source]"
    )
    args = parser.parse_args()
    more = args.settings.read_text() if args.settings else ""
    with tempfile.TemporaryDirectory(prefix="autotag-") as work:
        tags = measure_tags(args.data, Path(work), more)
        words = measure_words(args.data, Path(work), more)
    table = Table(
        "", "precision", "recall", "F1", title=f"tags of {tags['images']['compared']} images", box=None
    )
    for name in ("micro", "macro"):
        table.add_row(name, *(f"{tags[name][score]:.3f}" for score in ("precision", "recall", "f1")))
    console = Console()
    console.print(table)
    spent = ", ".join(f"{verb} {seconds:.1f} s" for verb, seconds in tags["seconds"].items())
    console.print(
        f"words: R@{FIRST} {words[f'recall_at_{FIRST}']:.3f}, R@1 {words['recall_at_1']:.3f} over {words['captions']}"
        f" captions, {words['ms_per_caption']:.1f} ms a caption; {spent}",
        highlight=False,
    )
    print_facts(args, "tagging_quality", {"tags": tags, "words": words})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
