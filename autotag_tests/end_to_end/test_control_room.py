"""The real thing: `autotag up`, backfills from the UI, folders that arrive and go, runs that crash or are cancelled."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from autotag_tests.conftest import SETTINGS_TOML, Archive, Folders
from autotag_tests.end_to_end.control_room import ControlRoom, control_room, until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COMMAND = [sys.executable, "-c", "from autotag.cli.main import run; run()"]
SOURCE = ["source_images", "source_embeddings"]
SHARDS = ["00000", "00001", "00002"]
QUICK = """
[source]
last_shard = 2
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    settings = tmp_path / "autotag.toml"
    on_ray = SETTINGS_TOML.replace("[compute]", "[compute]\nin_process_below = 0")
    settings.write_text(on_ray + QUICK, encoding="utf-8")
    (tmp_path / "data" / "target").mkdir(parents=True)
    return settings


def clean() -> dict[str, str]:
    """The environment without what other commands exported."""
    return {
        name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "AUTOTAG_CONFIG")
    }


def workers() -> list[psutil.Process]:
    """Ray's worker processes that hold our workers."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if line.startswith("ray::") and ("WorkerShelf" in line or "RowWorker" in line):
            found.append(process)
    return found


@pytest.mark.timeout(900)
def test_a_backfill_an_index_and_a_folder_that_comes_and_goes(
    root: Path, archive: Archive, folders: Folders
) -> None:
    for number, shard in enumerate(SHARDS):
        archive.simple(shard, count=6, first=100 * number)
    with control_room(root) as room:
        backfill = room.backfill(SOURCE, SHARDS)
        until("the backfill", lambda: room.backfill_status(backfill) == "COMPLETED_SUCCESS", 400)
        for asset in SOURCE:
            assert room.partitions(asset) == (set(SHARDS), set(SHARDS))
        index = room.launch("index_job", ["faiss_index"])
        until("the index", lambda: room.status(index) == "SUCCESS")

        folder = folders.simple("new arrivals", 5)
        tags = root.parent / "data" / "target_processed" / "new arrivals" / "tags.json"
        until("tags.json", tags.exists)
        sheet = until("the sheet", lambda: room.metadata("folder_tags", "new arrivals").get("contact sheet"))
        assert "data:image/jpeg;base64," in str(sheet)
        assert len(json.loads(tags.read_text())["images"]) == 5

        shutil.rmtree(folder)
        until("the partition's end", lambda: room.partitions("folder_tags")[0] == set())
        assert tags.exists()


@pytest.fixture
def browser_program() -> str:
    """A browser of this machine. Without one the test is skipped; it fails where REQUIRE_BROWSER says so, as in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        told = f"none of {', '.join(BROWSERS)} is installed; install Chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"{told} (REQUIRE_BROWSER is set)")
        pytest.skip(told)
    return found


@pytest.mark.timeout(900)
def test_the_contact_sheet_is_a_picture_in_a_real_browser(
    browser_program: str, root: Path, archive: Archive, folders: Folders
) -> None:
    from playwright.sync_api import sync_playwright

    archive.simple("00000")
    folders.simple("new arrivals", 5)
    for words in (
        ["segment-source", "--shards", "0"],
        ["build-index"],
        ["process-target", "--folder", "new arrivals"],
    ):
        done = subprocess.run(
            [*COMMAND, *words, "--config", str(root)],
            capture_output=True,
            text=True,
            check=False,
            env=clean(),
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    with control_room(root) as room, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.goto(f"{room.url}/assets/folder_tags?view=partitions&partition=new%20arrivals")
        shown = page.get_by_text("[Show Markdown]").first
        shown.wait_for(timeout=60_000)
        shown.click()
        picture = page.locator("img[src^='data:image/jpeg']").first
        picture.wait_for(timeout=30_000)
        assert picture.evaluate("image => image.naturalWidth") > 0
        assert picture.is_visible()
        browser.close()


@pytest.mark.timeout(900)
def test_a_run_that_is_killed_is_retried_and_completes(root: Path, archive: Archive) -> None:
    for number, shard in enumerate(SHARDS):
        archive.simple(shard, count=60, first=100 * number, width=1200, height=900)
    home = root.parent / "data" / ".dagster"
    home.mkdir(parents=True)
    text = (Path(__file__).parents[2] / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 5"))
    with control_room(root) as room:
        backfill = room.backfill(SOURCE, SHARDS[:1])
        run = until(
            "a run", lambda: next((r for r, at in room.runs().items() if at["status"] == "STARTED"), "")
        )
        process = until("its process", lambda: _process_of(room, run))
        until("its workers", workers)
        process.send_signal(signal.SIGKILL)
        until("the failure to be seen", lambda: room.status(run) == "FAILURE")
        retried = until(
            "the retry", lambda: next((r for r, at in room.runs().items() if at["parentRunId"] == run), "")
        )
        until("the retry's end", lambda: room.status(retried) == "SUCCESS", 400)
        assert room.partitions("source_embeddings")[1] == {"00000"}
        until("the backfill's end", lambda: room.backfill_status(backfill).startswith("COMPLETED"))


@pytest.mark.timeout(900)
def test_cancelling_a_run_ends_its_workers(root: Path, archive: Archive) -> None:
    for number, shard in enumerate(SHARDS):
        archive.simple(shard, count=200, first=1000 * number, width=1600, height=1200)
    with control_room(root) as room:
        room.backfill(SOURCE, SHARDS[:1])
        run = until(
            "a run", lambda: next((r for r, at in room.runs().items() if at["status"] == "STARTED"), "")
        )
        mine = until("its workers", workers)
        room.terminate(run)
        until("the run to be cancelled", lambda: room.status(run) == "CANCELED", 60)
        until("its workers to end", lambda: not [each for each in mine if each.is_running()], 60)


def _process_of(room: ControlRoom, run: str) -> psutil.Process | None:
    """The process that runs a run: it is the one that started Ray."""
    for process in room.descendants():
        try:
            children = process.children()
            if any("gcs_server" in child.name() or "raylet" in child.name() for child in children):
                return process
        except psutil.NoSuchProcess:
            continue
    del run
    return None


def test_a_taken_port_is_wrong_use(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [*COMMAND, "up", "--config", str(root), "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=clean())
    assert done.returncode == 2
    assert "cannot listen there" in done.stderr
    assert "Traceback" not in done.stderr
