"""Fills a tag ledger and measures it: effective tags of a folder, one click, one undo, what a fit reads.

    python -m benchmarks.ledger --rows 1000000 --folder-images 1000 --repeat 5

Every folder is proposed six tags an image by the vote and three by the label list, and of each image a person decides one
tag: ten events an image. *folder* are images that were proposed together; *scattered* are as many of all folders, which lie
far apart in the file. Each is asked of a ledger opened anew; the operating system may hold the file in memory. Ends with 1
when what the ledger keeps is not what its events come to, or when rows are missing.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.errors import CountsDoNotCloseError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.replay import fold
from autotag.review.ledger.rows import Slot
from autotag.review.ledger.tables import events, standing
from autotag.review.ledger.tag_ledger import TagLedger
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts

TAGS_OF = {"vote": 6, "zero_shot": 3}
EVENTS_AN_IMAGE = sum(TAGS_OF.values()) + 1
_TAGS = [f"tag number {number}" for number in range(1000)]
_MODEL = "detector-with-a-name-0123456789ab+embedder-with-a-name-0123456789ab"


def media_of(folder: int, count: int) -> list[str]:
    """Made-up content hashes of a folder's images."""
    return [hashlib.sha256(f"{folder}/{number}".encode()).hexdigest() for number in range(count)]


def proposals_of(media_id: str, source: str) -> Iterator[Proposal]:
    """The same for the same image and source: different tags with different scores."""
    first = int(media_id[:8], 16)
    for place in range(TAGS_OF[source]):
        tag = _TAGS[(first + 7 * place) % len(_TAGS)]
        yield Proposal(
            media_id, tag, source, 0.9 - place / 10, f"{source}/20250101T000000Z-01234567/{first + place}"
        )


def fill(ledger: TagLedger, folders: int, images: int) -> None:
    """One machine run and one click a folder."""
    for folder in range(folders):
        media = media_of(folder, images)
        for source in TAGS_OF:
            found = [each for media_id in media for each in proposals_of(media_id, source)]
            ledger.propose(f"run-{folder}", _MODEL, media, [source], found)
        words = [
            Decision(
                media_id,
                next(proposals_of(media_id, "vote")).tag,
                Action.APPROVE if number % 4 else Action.REJECT,
            )
            for number, media_id in enumerate(media)
        ]
        ledger.decide(words, "reviewer", run_id=f"click-{folder}")


def check(url: str, rows: int) -> None:
    """Nothing, where the ledger is right.

    Raises:
        CountsDoNotCloseError: rows are missing, or what is kept is not what a replay of the events gives.
    """
    database = LedgerDatabase.open(url, 10.0, must_exist=True)
    with database.reading() as connection:
        found = connection.execute(select(func.count()).select_from(events)).scalar_one()
        stands = {
            Slot(row.image, row.source, row.tag): row.number for row in connection.execute(select(standing))
        }
        replay = fold(connection.execute(select(events).order_by(events.c.number)))
    database.close()
    if found != rows:
        raise CountsDoNotCloseError(f"{rows} events were written, the ledger holds {found}")
    if stands != replay:
        raise CountsDoNotCloseError("what the ledger keeps is not what its events come to")


def ms_of(url: str, repeat: int, call: Callable[[TagLedger, int], Any]) -> list[float]:
    """Wall time of calls, each of a ledger that was just opened."""
    took = []
    for number in range(repeat):
        with TagLedger.open(url) as ledger:
            started = time.perf_counter()
            call(ledger, number)
            took.append(1000 * (time.perf_counter() - started))
    return took


def measure(args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Fill, check, ask.

    Raises:
        CountsDoNotCloseError: see `check`.
    """
    images = args.folder_images
    folders = max(1, args.rows // (EVENTS_AN_IMAGE * images))
    rows = folders * images * EVENTS_AN_IMAGE
    file = directory / "ledger.sqlite"
    url = f"sqlite:///{file}"
    started = time.perf_counter()
    with TagLedger.open(url) as ledger:
        fill(ledger, folders, images)
    fill_s = time.perf_counter() - started
    check(url, rows)
    one = media_of(folders // 2, images)
    scattered = [media_of(number % folders, images)[number // folders] for number in range(images)]
    word = Decision(one[0], "a tag of my own", Action.ADD)
    calls: dict[str, Callable[[TagLedger, int], Any]] = {
        "effective tags, folder": lambda ledger, _: ledger.effective(one),
        "effective tags, scattered": lambda ledger, _: ledger.effective(scattered),
        "one decision": lambda ledger, n: ledger.decide([word], f"reviewer {n}"),
        "undo of a folder's run": lambda ledger, n: ledger.undo(f"run-{n % folders}", "reviewer"),
        "history of an image": lambda ledger, _: ledger.history(one[0]),
        "position": lambda ledger, _: ledger.position(),
        "all decided of a source": lambda ledger, _: sum(1 for _ in ledger.decided("vote")),
        "all approved": lambda ledger, _: sum(1 for _ in ledger.approved_media()),
        "runs": lambda ledger, _: ledger.runs(),
    }
    took = {name: ms_of(url, min(args.repeat, folders), call) for name, call in calls.items()}
    return {
        "rows": rows,
        "folders": folders,
        "folder_images": images,
        "repeats": args.repeat,
        "fill_s": round(fill_s, 2),
        "events_per_s": round(rows / fill_s),
        "size_bytes": file.stat().st_size,
        "ms": {name: round(statistics.median(each), 2) for name, each in took.items()},
        "worst_ms": {name: round(max(each), 2) for name, each in took.items()},
    }


def print_report(facts: dict[str, Any]) -> None:
    """For people."""
    title = (
        f"ledger of {facts['rows']:,} events, {facts['folders']} folders of {facts['folder_images']:,} images"
    )
    table = Table("call", "ms, median", "ms, worst", title=title, box=None)
    for name, ms in facts["ms"].items():
        table.add_row(name, f"{ms:,.1f}", f"{facts['worst_ms'][name]:,.1f}")
    console = Console(width=110)
    console.print(table)
    console.print(
        f"filled in {facts['fill_s']:.1f} s ({facts['events_per_s']:,} events/s); {facts['size_bytes'] / 2**20:.0f} MiB;"
        f" what is kept equals a replay of the events; {facts['repeats']} repeats",
        highlight=False,
    )


@failures_told()
def main() -> int:
    """Command line; 1 when the ledger is wrong."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder-images", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    if min(args.rows, args.folder_images, args.repeat) < 1:
        parser.error("--rows, --folder-images and --repeat are 1 or more")
    with tempfile.TemporaryDirectory(prefix="autotag-") as directory:
        facts = measure(args, Path(directory))
    print_report(facts)
    print_facts(args, "ledger", facts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
