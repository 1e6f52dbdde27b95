"""A folder from a cold start to its tags: a new `autotag process-target` process, until it has ended and tags.json is there.

    python -m benchmarks.target_folder --sizes 10 1000 --repeat 3

An archive and its reference index are made first through the same command line and are not timed; they also leave the
converted models in the cache, which `--cold-cache` takes away again. Ends with 1 when tags.json does not name each image
of the folder exactly once.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.command_line import autotag, write_settings
from benchmarks.corpus import make_archive, make_folder

ARCHIVE_IMAGES = 200
ARCHIVE_SHARDS = 2


class WrongTagsError(Exception):
    """tags.json does not name the folder's images: the figures are void."""


@dataclass(frozen=True, slots=True)
class FolderFigures:
    """One folder, tagged once.

    Attributes:
        images: files of the folder, and entries of tags.json.
        tagged: entries with at least one tag.
        seconds: wall time of the command.
        cpu_s: processor time of its process tree.
        peak_mib: most memory of its process tree.
        step_s: seconds of each step, as the command told them.
    """

    images: int
    tagged: int
    seconds: float
    cpu_s: float
    peak_mib: float
    step_s: dict[str, float]


def build_archive(corpora: Path, work: Path, cache: Path, more: str) -> Path:
    """An archive with a reference index below `work`; gives the settings file. Target folders lie in `work / "target"`."""
    corpus = make_archive(corpora, ARCHIVE_IMAGES, ARCHIVE_SHARDS)
    paths = {
        "data": work / "data",
        "source_shards": corpus.root / "source" / "shards",
        "source_tags": corpus.root / "source" / "tags",
        "target": work / "target",
        "model_cache": cache,
    }
    settings = write_settings(work / "autotag.toml", paths, ARCHIVE_SHARDS, more)
    autotag(settings, "segment-source")
    autotag(settings, "build-index")
    return settings


def tag_folder(settings: Path, folder: Path) -> FolderFigures:
    """Tag a folder below the target root from nothing, and check what came of it.

    Raises:
        WrongTagsError: the tags are not those of the folder's images.
        CommandFailedError: the command failed.
    """
    results = settings.parent / "data" / "target_processed" / folder.name
    shutil.rmtree(results, ignore_errors=True)
    told = autotag(settings, "process-target", "--folder", folder.name)
    entries = json.loads((results / "tags.json").read_text())["images"]
    files = sorted(file.name for file in folder.iterdir())
    if sorted(entry["file"] for entry in entries) != files:
        raise WrongTagsError(f"tags.json names {len(entries)} images, the folder has {len(files)}, or others")
    return FolderFigures(
        images=len(files),
        tagged=sum(bool(entry["tags"]) for entry in entries),
        seconds=told.watched.seconds,
        cpu_s=told.watched.cpu_s,
        peak_mib=told.watched.peak_mib,
        step_s={step: facts["seconds"] for step, facts in told.facts["steps"].items() if "seconds" in facts},
    )


def measure(args: argparse.Namespace, work: Path) -> dict[int, list[FolderFigures]]:
    """Figures of each size, repeat by repeat."""
    cache = work / "cache"
    settings = build_archive(args.dir, work, cache, args.settings.read_text() if args.settings else "")
    figures: dict[int, list[FolderFigures]] = {}
    for size in args.sizes:
        corpus = make_folder(args.dir, size)
        folder = work / "target" / f"of-{size}"
        shutil.copytree(corpus.root / "target" / corpus.folder, folder)
        for _ in range(args.repeat):
            if args.cold_cache:
                shutil.rmtree(cache)
            figures.setdefault(size, []).append(tag_folder(settings, folder))
    return figures


@failures_told(WrongTagsError)
def main() -> int:
    """Command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--cold-cache", action="store_true", help="convert the models anew each time")
    parser.add_argument(
        "--settings", type=Path, help="TOML added to the settings, without [paths] and [source]"
    )
    parser.add_argument("--dir", type=Path, default=Path("build/bench"), help="where the corpora are kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autotag-") as work:
        figures = measure(args, Path(work))
    _print(figures, args.cold_cache)
    sizes = {str(size): [asdict(each) for each in found] for size, found in figures.items()}
    print_facts(args, "target_folder", {"cold_cache": args.cold_cache, "sizes": sizes})
    return 0


def _print(figures: dict[int, list[FolderFigures]], cold_cache: bool) -> None:
    steps = next(iter(figures.values()))[0].step_s
    title = f"cold start to tags.json, model cache {'empty' if cold_cache else 'warm'}"
    table = Table(
        "images",
        "tagged",
        "seconds",
        "processor s",
        "peak MiB",
        *steps,
        "start and rest",
        title=title,
        box=None,
    )
    for size, found in figures.items():
        middle = statistics.median_low(each.seconds for each in found)
        one = next(each for each in found if each.seconds == middle)
        rest = one.seconds - sum(one.step_s.values())
        spent = [f"{one.step_s.get(step, 0.0):.1f}" for step in steps]
        table.add_row(
            str(size),
            str(one.tagged),
            f"{one.seconds:.1f}",
            f"{one.cpu_s:.1f}",
            f"{one.peak_mib:.0f}",
            *spent,
            f"{rest:.1f}",
        )
    console = Console(width=140)
    console.print(table)
    console.print("tags.json names every image of its folder once", highlight=False)


if __name__ == "__main__":
    raise SystemExit(main())
