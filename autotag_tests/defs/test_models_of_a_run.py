"""What a run over a folder starts and loads: one Ray session, and each model once in each worker."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import autotag_tests
from autotag.compute import ray_session
from autotag.pipeline import plan as plan_module
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.load_notes import ROLES, VARIABLE, loads, noting
from autotag_tests.defs.test_runs import Room, materialised

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

CHUNKS = 12
HOOK = "autotag_tests.defs.load_notes.note_loads"


@pytest.fixture
def room(settings_file: Path, archive: Archive, folders: Folders) -> Iterator[Room]:
    """With a folder of several chunks."""
    folders.make("birds", {f"p{n:03d}.png": picture(100 + n) for n in range(4 * CHUNKS)})
    with indexed_room(settings_file, archive) as room:
        yield room


@pytest.fixture
def notes(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where loads are noted from now on; the models that this process had loaded are forgotten."""
    directory = tmp_path / "loads"
    directory.mkdir()
    monkeypatch.setenv(VARIABLE, str(directory))
    for role in ROLES:
        monkeypatch.setattr(plan_module, f"load_{role}", noting(role, getattr(plan_module, f"load_{role}")))
        getattr(plan_module, f"loaded_{role}").cache_clear()
    return directory


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Each start of Ray, with what it was asked for; workers note what they load."""
    import ray

    ray_session.stop()
    # Where workers find the hook.
    monkeypatch.setenv("PYTHONPATH", str(Path(autotag_tests.__file__).parent.parent))
    started: list[dict[str, Any]] = []
    start = ray.init

    def init(**options: Any) -> Any:
        started.append(options)
        return start(**options, runtime_env={"worker_process_setup_hook": HOOK})

    monkeypatch.setattr(ray, "init", init)
    yield started
    ray_session.stop()


def assert_every_image_is_tagged(result: dg.ExecuteInProcessResult) -> None:
    assert result.success
    facts = materialised(result, "folder_tags")["birds"]
    assert (facts["images with tags"], facts["images without"]) == (4 * CHUNKS, 0)


def test_a_run_in_process_loads_each_model_once_and_starts_no_ray(
    room: Room, notes: Path, sessions: list[dict[str, Any]]
) -> None:
    assert_every_image_is_tagged(room.tag_folder("birds"))
    assert {role: loads(notes, role) for role in ROLES} == {role: {os.getpid(): 1} for role in ROLES}
    assert sessions == []


@pytest.mark.slow
def test_a_run_on_ray_starts_one_session_and_each_worker_loads_each_model_once(
    room: Room, notes: Path, sessions: list[dict[str, Any]], settings_file: Path
) -> None:
    text = settings_file.read_text(encoding="utf-8").replace("[compute]", "[compute]\nin_process_below = 0")
    settings_file.write_text(text + "[ray]\nnum_cpus = 2\nactors = 2\n", encoding="utf-8")
    assert_every_image_is_tagged(room.tag_folder("birds"))
    assert [options["num_cpus"] for options in sessions] == [2]
    found = {role: loads(notes, role) for role in ROLES}
    assert found["detector"], "no worker has told what it loaded"
    assert found["embedder"], "no worker has told what it loaded"
    assert {times for role in ROLES for times in found[role].values()} == {1}
    workers = {pid for role in ROLES for pid in found[role]} - {os.getpid()}
    assert len(workers) <= 2, "the steps of a run share their workers"
    assert os.getpid() not in found["detector"]
    assert os.getpid() not in found["embedder"], "no vector is made in the run's own process"
