"""The folder sensor on a real instance of Dagster: folders on disk in, partitions and run requests out."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from autotag.defs import folder_sensor
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage.locks import folder_lock, held
from autotag_tests.conftest import SETTINGS_TOML, Archive, Folders, picture
from autotag_tests.defs.watched_folders import (
    LONG_AGO_S,
    Clock,
    Sensor,
    reason,
    release,
    still,
)
from autotag_tests.pipeline import threshold_steps
from autotag_tests.pipeline.target_steps import write_tags

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


def test_a_new_quiet_folder_becomes_a_partition_and_one_run(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    assert sensor.partitions == {"birds"}


def test_a_folder_that_is_not_quiet_is_registered_but_not_run(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folder = folders.simple("birds")
    result = sensor.tick()
    assert sensor.partitions == {"birds"}
    assert not result.run_requests
    assert "1 not quiet yet" in reason(result)
    still(folder)
    assert sensor.requested() == ["birds"]


def test_the_same_state_asks_with_the_same_run_key_and_a_change_with_another(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folder = still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    (again,) = sensor.tick().run_requests or []
    (folder / "new.png").write_bytes(picture(9))
    still(folder, LONG_AGO_S + 60)
    (changed,) = sensor.tick().run_requests or []
    assert first.run_key == again.run_key != changed.run_key


def test_a_change_that_is_undone_is_still_a_change(sensor: Sensor, folders: Folders, index: None) -> None:
    folder = still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    (folder / "new.png").write_bytes(picture(9))
    (folder / "new.png").unlink()
    os.utime(folder, (LONG_AGO_S + 60, LONG_AGO_S + 60))
    (later,) = sensor.tick().run_requests or []
    assert first.run_key != later.run_key


def test_a_processed_folder_asks_for_nothing_until_it_changes(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    folder = still(folders.simple("birds"))
    list_target_images(plan, "birds")
    assert sensor.requested() == ["birds"]
    write_tags(plan, "birds", plan.model_id)
    assert sensor.requested() == []
    (folder / "p000.png").write_bytes(picture(77))
    still(folder, LONG_AGO_S + 60)
    assert sensor.requested() == ["birds"]


def test_tags_older_than_the_manifest_are_no_answer(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    tags = write_tags(plan, "birds", plan.model_id)
    os.utime(tags, (LONG_AGO_S, LONG_AGO_S))
    assert sensor.requested() == ["birds"]


def test_a_lock_or_results_that_cannot_be_looked_at_do_not_end_the_look_at_other_folders(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    plan.layout.folder_tables("a").lock.mkdir(parents=True)
    evidence = Path(plan.layout.folder_tables("b").evidence.path)
    evidence.parent.mkdir(parents=True)
    evidence.symlink_to(evidence)
    assert sensor.requested() == ["a", "c"]
    assert sensor.partitions == {"a", "c"}
    assert "1 unreadable, such as b: " in reason(sensor.tick())


def test_new_settings_of_the_models_ask_for_runs_of_folders_that_are_tagged(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    assert sensor.requested() == []
    settings_file.write_text(SETTINGS_TOML.replace('detector = "fake"', 'detector = "whole"'))
    changed = plan_of(Settings.load(settings_file))
    release(changed, changed.model_id)
    (later,) = sensor.tick().run_requests or []
    assert later.partition_key == "birds"
    assert later.run_key != first.run_key


def test_a_folder_waits_for_thresholds_that_are_asked_for_and_is_tagged_when_they_are_fitted(
    sensor: Sensor, folders: Folders, archive: Archive, plan: PipelinePlan, settings_file: Path
) -> None:
    """A run would fail for good: after the fit, nobody would ask for it again."""
    threshold_steps.odd_archive(plan, archive)
    settings = threshold_steps.asking(settings_file)
    still(folders.simple("birds"))
    for asked in (settings, threshold_steps.changed(settings, "tagging", k=5)):
        text = settings_file.read_text().replace("\nk = 4\n", f"\nk = {asked.tagging.k}\n")
        settings_file.write_text(text)
        assert sensor.requested() == []
        assert "1 to be tagged, but thresholds of" in reason(sensor.tick())
        assert "run `autotag thresholds --precision 0.8`" in reason(sensor.tick())
        threshold_steps.fit(plan, asked)
        (request,) = sensor.tick().run_requests or []
        assert request.partition_key == "birds"
    assert sensor.requested() == ["birds"]


def test_tags_count_as_done_while_the_models_of_the_settings_cannot_be_named(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    still(folders.simple("cats"))
    settings_file.write_text(SETTINGS_TOML.replace('detector = "fake"', 'detector = "yolo:no-such.pt"'))
    result = sensor.tick()
    assert not result.run_requests
    assert "1 to be tagged, but" in reason(result)
    assert "no-such.pt" in reason(result)


def test_a_change_dated_in_the_future_is_quiet_when_it_stayed_the_same(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders.simple("birds")
    clock = Clock(LONG_AGO_S)
    monkeypatch.setattr(folder_sensor.time, "time", clock)
    still(folder, LONG_AGO_S + 10**7)
    assert sensor.requested() == []
    clock.now_s += 10
    (folder / "p000.png").write_bytes(picture(99))
    still(folder, LONG_AGO_S + 10**7 + 1)
    assert sensor.requested() == []  # still being written: the time begins anew
    clock.now_s += 14.9
    assert sensor.requested() == []
    clock.now_s += 0.2
    assert sensor.requested() == ["birds"]


def test_only_folders_that_changed_in_the_future_and_are_not_done_are_remembered(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_day_s = time.time() + 86_400
    for name in ("a", "b", "c", "d"):
        still(folders.simple(name, 1), LONG_AGO_S if name == "a" else in_a_day_s)
    list_target_images(plan, "b")
    write_tags(plan, "b", plan.model_id)
    sensor.tick()
    assert set(json.loads(str(sensor.cursor))["ahead"]) == {"c", "d"}
    shutil.rmtree(folders.data / "target" / "d")
    sensor.tick()
    assert set(json.loads(str(sensor.cursor))["ahead"]) == {"c"}
    monkeypatch.setattr(folder_sensor, "MAX_REMEMBERED", 0)
    sensor.tick()
    assert json.loads(str(sensor.cursor))["ahead"] == {}


@pytest.mark.parametrize(
    "cursor", ["birds/day 1", "{", "[]", '{"ahead": 1}', '{"next_path": "", "ahead": {"a": 1}}']
)
def test_a_cursor_of_another_release_starts_from_the_beginning(
    sensor: Sensor, folders: Folders, index: None, cursor: str
) -> None:
    still(folders.simple("birds"))
    sensor.cursor = cursor
    assert sensor.requested() == ["birds"]


def test_a_folder_that_is_being_worked_on_is_left_to_that_run(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    with held(folder_lock(plan.layout, "birds")):
        result = sensor.tick()
    assert not result.run_requests
    assert "1 being worked on" in reason(result)
    assert sensor.requested() == ["birds"]


def test_a_folder_whose_images_all_went_is_processed_once_more(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    folder = still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    for file in folder.iterdir():
        file.unlink()
    still(folder, LONG_AGO_S + 60)
    assert sensor.requested() == ["birds"]


def test_without_a_reference_index_folders_are_registered_and_the_sensor_says_why_nothing_runs(
    sensor: Sensor, folders: Folders
) -> None:
    still(folders.simple("birds"))
    result = sensor.tick()
    assert sensor.partitions == {"birds"}
    assert not result.run_requests
    assert "1 to be tagged, but there is no reference index of" in reason(result)
    assert "materialise faiss_index" in reason(result)


def test_an_index_of_another_model_does_not_count(
    sensor: Sensor, folders: Folders, plan: PipelinePlan
) -> None:
    release(plan, "another+model")
    still(folders.simple("birds"))
    assert sensor.requested() == []


def test_a_damaged_release_asks_for_no_run_and_is_named(
    sensor: Sensor, folders: Folders, plan: PipelinePlan
) -> None:
    release(plan, plan.model_id).write_text("nonsense")
    still(folders.simple("birds"))
    assert "CURRENT names no version" in reason(sensor.tick())
