"""For which states of a folder a run is asked for, and when again, on a real instance of Dagster."""

import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs import asked_runs, materialized
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage import locks
from autotag.storage.locks import folder_lock, held
from autotag_tests.conftest import SETTINGS_TOML, Folders, picture
from autotag_tests.defs.watched_folders import (
    FAILURE,
    LONG_AGO_S,
    RUN_KEY,
    SUCCESS,
    Clock,
    Sensor,
    process_target,
    reason,
    release,
    still,
)
from autotag_tests.pipeline.target_steps import write_tags

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


def test_tags_of_another_model_are_made_again(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    sensor.end("birds", SUCCESS)
    assert sensor.requested() == []
    write_tags(plan, "birds", "another+model")
    assert sensor.requested() == ["birds"]


def test_going_back_to_the_models_before_makes_the_tags_once_more(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    others_toml = SETTINGS_TOML.replace('detector = "fake"', 'detector = "whole"')
    settings_file.write_text(others_toml)
    others = plan_of(Settings.load(settings_file))
    release(others, others.model_id)
    for text, used in ((SETTINGS_TOML, plan), (others_toml, others)) * 2:
        settings_file.write_text(text)
        assert sensor.requested() == ["birds"]
        list_target_images(used, "birds")
        write_tags(used, "birds", used.model_id)
        sensor.end("birds", SUCCESS)
        assert sensor.requested() == []


def test_results_that_were_deleted_are_made_again_each_time(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    for _ in range(3):
        assert sensor.requested() == ["birds"]
        list_target_images(plan, "birds")
        write_tags(plan, "birds", plan.model_id)
        sensor.end("birds", SUCCESS)
        assert sensor.requested() == []
        shutil.rmtree(plan.layout.folder_tables("birds").root.path)


def test_a_run_that_changed_no_results_is_not_repeated(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", "another+model")
    assert sensor.requested() == ["birds"]
    sensor.end("birds", SUCCESS)
    assert sensor.requested() == []


def test_a_run_that_failed_is_asked_for_again_twice_after_growing_pauses(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    for pause_s in (300.0, 1800.0):
        assert "1 queued or running" in reason(sensor.tick())
        sensor.end("birds", FAILURE)
        ended_s = time.time()
        assert "1 failed and tried again later" in reason(sensor.tick())
        with monkeypatch.context() as later:
            later.setattr(asked_runs.time, "time", Clock(ended_s + pause_s - 10))
            assert sensor.requested() == []
            later.setattr(asked_runs.time, "time", Clock(ended_s + pause_s + 10))
            assert sensor.requested() == ["birds"]
    sensor.end("birds", FAILURE)
    with monkeypatch.context() as later:
        later.setattr(asked_runs.time, "time", Clock(time.time() + 10**6))
        assert "1 failed or cancelled and left" in reason(sensor.tick())
        (folder / "new.png").write_bytes(picture(9))
        still(folder, LONG_AGO_S + 60)
        assert sensor.requested() == ["birds"]


def test_dagsters_own_retries_of_a_run_that_died_are_one_request(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    sensor.end("birds", FAILURE)
    (died,) = sensor.instance.get_runs()
    for number in ("1", "2"):
        tags = {**died.tags, "dagster/retry_number": number}
        sensor.instance.create_run_for_job(process_target(), status=dg.DagsterRunStatus.STARTED, tags=tags)
        assert "1 queued or running" in reason(sensor.tick())
        sensor.end("birds", FAILURE)
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 310))
    assert sensor.requested() == ["birds"]


def test_a_run_that_a_person_cancelled_is_not_asked_for_again(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    sensor.end("birds", dg.DagsterEventType.RUN_CANCELED)
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 10**6))
    assert "1 failed or cancelled and left" in reason(sensor.tick())


def test_a_run_that_was_recorded_but_never_started_is_asked_for_with_its_own_key(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    """Dagster's daemon starts it then."""
    still(folders.simple("birds"))
    (request,) = sensor.tick().run_requests or []
    tags = {**request.tags, RUN_KEY: str(request.run_key)}
    sensor.instance.create_run_for_job(process_target(), status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    (again,) = sensor.tick().run_requests or []
    assert again.run_key == request.run_key


def test_a_folder_that_was_in_use_is_asked_for_again_and_a_permanent_failure_is_not(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs: the first finds the folder locked, the second an index whose files are missing."""
    monkeypatch.setattr(materialized, "IN_USE_WAIT_S", 0.0)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    still(folders.simple("birds"))
    monkeypatch.setattr(locks, "is_held", lambda lock: False)  # it is taken after the look
    with held(folder_lock(plan.layout, "birds")):
        assert not sensor.execute().success
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 400))
    assert not sensor.execute().success
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 10**6))
    for _ in range(2):
        assert "1 failed or cancelled and left" in reason(sensor.tick())
    second, first = sensor.instance.get_runs()
    assert second.tags["autotag/permanent_failure"] == f"{second.run_id} yes"
    assert first.tags["autotag/permanent_failure"] == f"{first.run_id} no"
