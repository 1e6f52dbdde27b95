"""One `autotag up` for all tests of a module, and a browser that looks at its pages and keeps what it saw."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autotag_tests.conftest import SETTINGS_TOML, Archive, Folders
from autotag_tests.end_to_end.control_room import ControlRoom, control_room, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SOURCE = ("source_images", "source_embeddings")
SHARDS = ("00000", "00001", "00002")
KILLED, CANCELLED = "00003", "00004"
FOLDER, GOING = "new arrivals", "soon gone"
QUICK = """
[source]
last_shard = 4
max_partitions_per_run = 2
[target]
quiet_s = 1.0
sensor_interval_s = 5
[ray]
num_cpus = 2
"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Site:
    """A running control room and the directory it works on.

    Attributes:
        backfill: of SOURCE over SHARDS, completed; empty where nothing was run.
    """

    room: ControlRoom
    root: Path
    backfill: str = ""

    @property
    def folders(self) -> Folders:
        return Folders(self.root / "data")

    def tags(self, folder: str) -> Path:
        return self.root / "data" / "target_processed" / folder / "tags.json"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`autotag up` on an archive with small shards, and with two that take long enough to be interrupted."""
    root = tmp_path_factory.mktemp("site")
    settings = root / "autotag.toml"
    on_ray = SETTINGS_TOML.replace("[compute]", "[compute]\nin_process_below = 0")
    settings.write_text(on_ray + QUICK, encoding="utf-8")
    (root / "data" / "target").mkdir(parents=True)
    archive = Archive(root / "data")
    for number, shard in enumerate(SHARDS):
        archive.simple(shard, count=6, first=100 * number)
    archive.simple(KILLED, count=60, first=1000, width=1200, height=900)
    archive.simple(CANCELLED, count=200, first=2000, width=1600, height=1200)
    home = root / "data" / ".dagster"
    home.mkdir()
    text = (Path(__file__).parents[2] / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 5"))
    with control_room(settings) as room:
        yield Site(room, root)


@pytest.fixture(scope="module")
def lived_in(site: Site) -> Site:
    """The site after a backfill, an index, and a folder that arrived and that the sensor had tagged."""
    room = site.room
    backfill = room.backfill([*SOURCE], [*SHARDS])
    until("the backfill", lambda: room.backfill_status(backfill) == "COMPLETED_SUCCESS", 400)
    index = room.launch("index_job", ["faiss_index"])
    until("the index", lambda: room.status(index) == "SUCCESS")
    site.folders.simple(FOLDER, 5)
    site.folders.simple(GOING, 2)
    until("the sheet", lambda: room.metadata("folder_tags", FOLDER).get("contact sheet"))
    return Site(room, site.root, backfill)


@dataclass(frozen=True)
class Camera:
    """A browser page on the control room.

    Attributes:
        albums: directories that get a copy of every shot.
    """

    page: "Page"
    url: str
    albums: tuple[Path, ...]

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def shoot(self, name: str) -> None:
        for album in self.albums:
            self.page.screenshot(path=album / f"{name}.png")


@pytest.fixture(scope="module")
def browser_program() -> str:
    """A browser of this machine. Without one the test is skipped; it fails where REQUIRE_BROWSER says so, as in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        told = f"none of {', '.join(BROWSERS)} is installed; install Chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"{told} (REQUIRE_BROWSER is set)")
        pytest.skip(told)
    return found


@pytest.fixture
def camera(browser_program: str, lived_in: Site, tmp_path: Path) -> Iterator[Camera]:
    """KEEP_SCREENSHOTS=DIR keeps the shots in a directory too."""
    from playwright.sync_api import sync_playwright

    kept = os.environ.get("KEEP_SCREENSHOTS")
    albums = (tmp_path, Path(kept)) if kept else (tmp_path,)
    for album in albums:
        album.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(60_000)
        yield Camera(page, lived_in.room.url, albums)
        browser.close()
