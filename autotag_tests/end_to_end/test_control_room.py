"""The real thing: `autotag up`, backfills from the UI, folders that arrive and go, runs that crash or are cancelled."""

import json
import shutil
import signal
import socket
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from autotag_tests.end_to_end.conftest import CANCELLED, FOLDER, GOING, KILLED, SHARDS, SOURCE, Camera, Site
from autotag_tests.end_to_end.control_room import COMMAND, ControlRoom, clean, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:.*is currently in beta"),
]

GRAPH = {
    "source": ["source_shards", "source_images", "source_embeddings"],
    "reference": ["faiss_index"],
    "target": ["target_images", "target_crops", "target_embeddings", "folder_tags"],
}


def workers(room: ControlRoom) -> list[psutil.Process]:
    """Ray's worker processes of this room that hold our workers."""
    found = []
    for process in room.descendants():
        try:
            line = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if line.startswith("ray::") and ("WorkerShelf" in line or "RowWorker" in line):
            found.append(process)
    return found


def test_a_backfill_and_a_folder_that_the_sensor_finds_are_complete(lived_in: Site) -> None:
    for asset in SOURCE:
        assert lived_in.room.partitions(asset)[1] >= set(SHARDS)
    sheet = lived_in.room.metadata("folder_tags", FOLDER)["contact sheet"]
    assert "data:image/jpeg;base64," in str(sheet)
    assert len(json.loads(lived_in.tags(FOLDER).read_text())["images"]) == 5


def test_runs_of_one_pool_come_one_after_the_other_from_the_first_backfill_on(lived_in: Site) -> None:
    runs = lived_in.room.runs().values()
    done = [run for run in runs if run["status"] == "SUCCESS" and run["allPools"] == ["source"]]
    assert len(done) >= 2
    spans = sorted((run["startTime"], run["endTime"]) for run in done)
    assert all(ended <= started for (_, ended), (started, _) in pairwise(spans)), spans


def test_the_graph_shows_every_asset_in_its_group(camera: Camera) -> None:
    from playwright.sync_api import expect

    page = camera.page
    page.set_viewport_size({"width": 1600, "height": 640})
    camera.open("/asset-groups?expanded=" + ",".join(f"global@global:{group}" for group in GRAPH))
    page.get_by_text("Hide navigation").click()
    page.reload()  # the graph is fitted to the room that there is now
    nodes = page.locator("foreignObject")
    for name in [*GRAPH, *(asset for assets in GRAPH.values() for asset in assets)]:
        expect(nodes.get_by_text(name, exact=True).first).to_be_visible()
    page.wait_for_timeout(3000)  # for the picture only: states are painted later
    camera.shoot("asset-graph")


def test_a_finished_backfill_has_a_page_that_says_so(camera: Camera, lived_in: Site) -> None:
    from playwright.sync_api import expect

    camera.open(f"/runs/b/{lived_in.backfill}")
    page = camera.page
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    for shown in (*SHARDS, *SOURCE):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    expect(page.get_by_text("100% completed")).to_have_count(len(SOURCE))
    camera.shoot("backfill")


def test_the_contact_sheet_of_a_folder_that_arrived_is_a_picture(camera: Camera) -> None:
    from playwright.sync_api import expect

    camera.open(f"/assets/folder_tags?view=partitions&partition={FOLDER.replace(' ', '%20')}")
    shown = camera.page.get_by_text("[Show Markdown]").first
    shown.wait_for()
    camera.shoot("folder-tags")
    shown.click()
    picture = camera.page.locator("img[src^='data:image/jpeg']").first
    expect(picture).to_be_visible()
    camera.page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle())
    camera.shoot("contact-sheet-dialog")


def test_a_folder_that_goes_is_retired_and_its_tags_stay(lived_in: Site) -> None:
    room = lived_in.room
    until("the second folder's tags", lambda: room.metadata("folder_tags", GOING))
    assert room.partitions("folder_tags")[0] == {FOLDER, GOING}
    shutil.rmtree(lived_in.root / "data" / "target" / GOING)
    until("the partition's end", lambda: room.partitions("folder_tags")[0] == {FOLDER})
    assert lived_in.tags(GOING).exists()


def test_a_run_that_is_killed_is_retried_and_completes(site: Site) -> None:
    room, before = site.room, set(site.room.runs())
    backfill = room.backfill([*SOURCE], [KILLED])
    run = until("a run", lambda: _started(room, before))
    process = until("its process", lambda: _process_that_started_ray(room))
    until("its workers", lambda: workers(room))
    process.send_signal(signal.SIGKILL)
    until("the failure to be seen", lambda: room.status(run) == "FAILURE")
    retried = until(
        "the retry", lambda: next((r for r, at in room.runs().items() if at["parentRunId"] == run), "")
    )
    until("the retry's end", lambda: room.status(retried) == "SUCCESS", 400)
    assert KILLED in room.partitions("source_embeddings")[1]
    until("the backfill's end", lambda: room.backfill_status(backfill).startswith("COMPLETED"))


def test_cancelling_a_run_ends_its_workers(site: Site) -> None:
    room, before = site.room, set(site.room.runs())
    room.backfill([*SOURCE], [CANCELLED])
    run = until("a run", lambda: _started(room, before))
    mine = until("its workers", lambda: workers(room))
    room.terminate(run)
    until("the run to be cancelled", lambda: room.status(run) == "CANCELED", 60)
    until("its workers to end", lambda: not [each for each in mine if each.is_running()], 60)
    assert CANCELLED not in room.partitions("source_embeddings")[1]


def _started(room: ControlRoom, before: set[str]) -> str:
    """A run that was not there before and has started."""
    runs: dict[str, Any] = room.runs()
    return next((run for run in runs if run not in before and runs[run]["status"] == "STARTED"), "")


def _process_that_started_ray(room: ControlRoom) -> psutil.Process | None:
    for process in room.descendants():
        try:
            children = process.children()
            if any("gcs_server" in child.name() or "raylet" in child.name() for child in children):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def test_a_taken_port_is_wrong_use(settings_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "up", "--config", str(settings_file), "--port", port],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=clean(),
        )
    assert done.returncode == 2
    assert "cannot listen there" in done.stderr
    assert "Traceback" not in done.stderr
