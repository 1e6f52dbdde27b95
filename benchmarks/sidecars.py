"""XMP sidecars of a folder: a first run, a run with nothing to do, one that changes every sidecar, and taking it all back.

    python -m benchmarks.sidecars --images 1000 --repeat 3

Every other image has a sidecar already, in the styles of Immich, darktable, Lightroom and digiKam. Images are files that
are images by name alone: sidecars are written without reading them. Ends with 1 when ExifTool, asked once more by itself,
does not find the approved tags in every sidecar, or the folder is not what it was after taking everything back.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from upath import UPath

from autotag.review.sidecars.exiftool_session import ExifToolSession
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.plan import PlannedSidecar, SidecarPlaces, SidecarTask, plan_sidecars
from autotag.review.sidecars.runs import SidecarRun, new_run_name, owned_keywords, sidecar_runs
from autotag.review.sidecars.undo import undo_sidecars
from autotag.review.sidecars.write import write_sidecars
from autotag_tests.review.sidecar_samples import STYLES
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts

BATCH_FILES = 256
FIRST = ("animal|bird", "sea", "evening light")
THEN = ("animal|bird", "harbour")


class WrongSidecarsError(Exception):
    """The sidecars do not say what they should: the figures are void."""


@dataclass(frozen=True, slots=True)
class SidecarFigures:
    """Seconds of each run over one folder.

    Attributes:
        dry_s: the plan of the first run.
        first_s: half of the sidecars new, half merged.
        unchanged_s: again, with nothing to do.
        changed_s: again, with another tag for every image.
        undo_s: both runs taken back.
    """

    dry_s: float
    first_s: float
    unchanged_s: float
    changed_s: float
    undo_s: float


def make_folder(folder: Path, images: int) -> dict[str, bytes]:
    """A folder with images by name, half of them with a sidecar; gives all its files."""
    folder.mkdir(parents=True)
    styles = list(STYLES.values())
    for number in range(images):
        (folder / f"p{number:06d}.jpg").write_bytes(b"image %d" % number)
        if number % 2:
            (folder / f"p{number:06d}.xmp").write_bytes(styles[number // 2 % len(styles)])
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def measure(work: Path, images: int) -> SidecarFigures:
    """Write, write again, change, and take back, once.

    Raises:
        WrongSidecarsError: the sidecars are wrong.
    """
    folder, runs = work / "folder", UPath(work / "runs")
    before = make_folder(folder, images)
    place = SidecarPlace(UPath(folder))
    names = [name for name in before if name.endswith(".jpg")]

    def plan(tags: Sequence[str]) -> list[PlannedSidecar]:
        owned = owned_keywords(runs, place, place)
        task = SidecarTask(dict.fromkeys(names, tags), frozenset(place.names()), owned)
        return plan_sidecars(SidecarPlaces(place, place), task)

    def write(tags: Sequence[str], states: Mapping[str, int]) -> None:
        with ExifToolSession() as session:
            run = SidecarRun(runs / new_run_name())
            done = write_sidecars(session, SidecarPlaces(place, place), plan(tags), run, BATCH_FILES)
        found = {state: sum(each.state == state for each in done) for state in states}
        if found != dict(states) or sum(states.values()) != images:
            raise WrongSidecarsError(f"{found} instead of {dict(states)}")

    half = images // 2
    figures = SidecarFigures(
        dry_s=_timed(lambda: plan(FIRST)),
        first_s=_timed(lambda: write(FIRST, {"new": images - half, "merged": half})),
        unchanged_s=_timed(lambda: write(FIRST, {"unchanged": images})),
        changed_s=_timed(lambda: write(THEN, {"merged": images})),
        undo_s=_timed_after(
            lambda: _check(folder, images),
            lambda: [undo_sidecars(run, place, place) for run in reversed(sidecar_runs(runs))],
        ),
    )
    if contents(folder) != before:
        raise WrongSidecarsError("the folder is not what it was before")
    return figures


def _check(folder: Path, images: int) -> None:
    told = subprocess.run(
        ["exiftool", "-q", "-json", "-ext", "xmp", f"-{SUBJECT}", str(folder)],
        capture_output=True,
        check=True,
    )
    found = [set(each["Subject"]) for each in json.loads(told.stdout)]
    if len(found) != images or not all(each >= {"bird", "harbour"} and "sea" not in each for each in found):
        raise WrongSidecarsError("ExifTool does not find the approved tags")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _timed_after(first: Callable[[], object], work: Callable[[], object]) -> float:
    first()
    return _timed(work)


@failures_told(WrongSidecarsError)
def main() -> int:
    """Command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    figures: list[SidecarFigures] = []
    for _ in range(args.repeat):
        with tempfile.TemporaryDirectory(prefix="autotag-") as work:
            figures.append(measure(Path(work), args.images))
    table = Table(
        "images", *(name.removesuffix("_s").replace("_", " ") + " s" for name in asdict(figures[0]))
    )
    for each in figures:
        table.add_row(f"{args.images:,}", *(f"{seconds:.2f}" for seconds in asdict(each).values()))
    Console().print(table)
    print_facts(args, "sidecars", {"images": args.images, "runs": [asdict(each) for each in figures]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
