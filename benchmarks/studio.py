"""The review page on a folder of 10,000 images: first grid, page turns and a decision, as the browser sees them.

    python -m benchmarks.studio --images 10000 --repeat 5

Tables and thumbnails are made first, without models, and are not timed. Needs Chromium. Ends with 1 when the page shows other
cards than it should: the figures are void.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autotag.settings import Settings
from autotag.storage.roots import layout_of
from autotag_tests.end_to_end.conftest import BROWSERS, FLAGS
from autotag_tests.end_to_end.studio_page import studio
from benchmarks.review_folder import FOLDER, make_review_folder

CARDS = 12


class WrongPageError(Exception):
    """The page shows something else than it should."""


@dataclass(frozen=True, slots=True)
class StudioFigures:
    """Seconds in the browser, medians.

    Attributes:
        images: of the folder.
        cold_grid_s: address entered to all its pictures loaded, in the first page that a new server ever shows.
        first_grid_s: the same for a new tab later.
        first_ready_s: of such a tab, address entered to the last card's editor and buttons.
        page_turn_s: click on the next page to all its pictures loaded.
        decision_s: click that approves a card to its tags shown as approved.
    """

    images: int
    cold_grid_s: float
    first_grid_s: float
    first_ready_s: float
    page_turn_s: float
    decision_s: float


def measure(settings: Path, images: int, repeat: int) -> StudioFigures:
    """One server, one browser.

    Raises:
        WrongPageError: the page shows something else than it should.
    """
    from playwright.sync_api import Page, sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)))

    def loaded(page: Page, first: str) -> None:
        page.wait_for_function(
            "([first, cards]) => { const names = [...document.querySelectorAll('.cardname')].map(n => n.title);"
            " const shown = [...document.querySelectorAll('img.thumb')];"
            " return names.length == cards && names[0] != first && shown.length == cards"
            " && shown.every(i => i.complete && i.naturalWidth > 0)"
            " && !document.querySelector('[data-stale=true]'); }",
            arg=[first, CARDS],
            timeout=60_000,
        )

    with studio(settings) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        address = f"{url}/?folder={FOLDER}&show=all&order=by+name&grouped=false"

        person = browser.new_context(viewport={"width": 1500, "height": 1000})

        def opened() -> Page:
            page = person.new_page()
            page.goto(address)
            loaded(page, "")
            return page

        def seen() -> tuple[float, float]:
            began = time.perf_counter()
            page = opened()
            grid = time.perf_counter() - began
            _wait_for_controls(page)
            ready = time.perf_counter() - began
            page.close()
            return grid, ready

        cold, _ = seen()
        firsts, readies = zip(*(seen() for _ in range(repeat)), strict=True)
        page = opened()
        _wait_for_controls(page)
        turns: list[float] = []
        for _ in range(repeat):
            first = page.locator(".cardname").first.get_attribute("title") or ""
            began = time.perf_counter()
            page.get_by_role("button", name="›").first.click()
            loaded(page, first)
            turns.append(time.perf_counter() - began)
        decisions = [_timed(lambda place=place: _approve(page, place)) for place in range(repeat)]
        told = page.get_by_text(f"of {images:,} images").count()
        browser.close()
    if not told:
        raise WrongPageError(f"the page does not tell of {images:,} images")
    return StudioFigures(
        images,
        cold,
        statistics.median(firsts),
        statistics.median(readies),
        statistics.median(turns),
        statistics.median(decisions),
    )


def _wait_for_controls(page: "object") -> None:
    from playwright.sync_api import Page

    assert isinstance(page, Page)
    page.wait_for_function(
        "cards => document.querySelectorAll('[data-testid=stMultiSelect]').length == cards"
        " && document.querySelectorAll('[class*=st-key-look-] button').length == cards",
        arg=CARDS,
        timeout=60_000,
    )


def _approve(page: "object", place: int) -> None:
    from playwright.sync_api import Page

    assert isinstance(page, Page)
    before = page.locator(".chip.approved").count()
    page.get_by_role("button", name="Approve", exact=True).nth(place).click()
    page.wait_for_function(
        "before => document.querySelectorAll('.chip.approved').length > before", arg=before, timeout=60_000
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autotag-studio-") as work:
        settings = Path(work) / "autotag.toml"
        settings.write_text('[models]\ndetector = "fake"\nembedder = "fake"\n', encoding="utf-8")
        make_review_folder(layout_of(Settings.load(settings)), Settings.load(settings), given.images)
        try:
            figures = measure(settings, given.images, given.repeat)
        except WrongPageError as error:
            sys.exit(str(error))
    if given.json:
        print(json.dumps(asdict(figures)))
        return
    table = Table("in the browser", "s", title=f"{figures.images:,} images", box=None)
    for name, seconds in asdict(figures).items():
        if name != "images":
            table.add_row(name, f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
