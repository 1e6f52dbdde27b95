"""The folder sensor on a real instance of Dagster: folders on disk in, partitions and run requests out."""

import json
import os
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs import folder_sensor
from autotag.domain.identity import folder_key
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


def test_a_removed_folder_is_retired(sensor: Sensor, folders: Folders, index: None) -> None:
    still(folders.simple("birds"))
    still(folders.simple("cats"))
    sensor.tick()
    shutil.rmtree(folders.data / "target" / "birds")
    assert sensor.requested() == ["cats"]
    assert sensor.partitions == {"cats"}


def test_nothing_is_retired_while_the_whole_root_is_away(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    still(folders.simple("birds"))
    sensor.tick()
    (folders.data / "target").rename(folders.data / "unmounted")
    assert "is not there" in reason(sensor.tick())
    assert sensor.partitions == {"birds"}


def test_folders_without_images_and_hidden_ones_are_no_partitions(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folders.make("texts", {"a.txt": b"hello"})
    folders.make("empty", {})
    folders.simple(".hidden")
    sensor.tick()
    assert sensor.partitions == set()


@pytest.mark.parametrize(
    "name",
    [
        "a,b",
        "wait... what",
        "tab\there",
        "line\nbreak",
        "100% [raw]",
        "Ünïcode 写真",
        "trip/day one/käse",
        "a*b?",
    ],
)
def test_any_name_is_a_key_that_dagster_takes_and_leads_back(
    sensor: Sensor, folders: Folders, index: None, name: str
) -> None:
    still(folders.simple(name))
    (request,) = sensor.tick().run_requests or []
    key = str(request.partition_key)
    assert key == folder_key(name)
    dg.StaticPartitionsDefinition([key])  # refuses what a dynamic set takes silently
    assert not set(key) & set(",\n\t*?[]")


def test_nested_folders_are_partitions_of_their_own(sensor: Sensor, folders: Folders, index: None) -> None:
    still(folders.simple("trip"))
    still(folders.simple("trip/day 1"))
    assert sensor.requested() == ["trip/day 1"]  # it touched its parent when it came
    still(folders.data / "target" / "trip")
    assert sensor.requested() == ["trip"]


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


def test_a_look_that_is_out_of_time_goes_on_where_it_stopped(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"f{number}" for number in range(5)]
    for name in names:
        still(folders.simple(name, 1))
    monkeypatch.setattr(folder_sensor, "TICK_BUDGET_S", -1.0)
    for name in names:
        assert sensor.requested() == [name]
    assert sensor.place == ""
    assert sensor.partitions == set(names)
    sensor.tick()
    assert sensor.place == "f0"


def test_a_partial_look_retires_nothing_it_did_not_reach(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    sensor.tick()
    monkeypatch.setattr(folder_sensor, "TICK_BUDGET_S", -1.0)
    sensor.tick()
    assert sensor.partitions == {"a", "b", "c"}


def test_more_folders_than_runs_of_a_tick_are_asked_for_in_turn(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_sensor, "MAX_RUNS_A_TICK", 2)
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    assert [sensor.requested(), sensor.requested()] == [["a", "b"], ["c"]]


def test_a_full_set_of_partitions_takes_no_more_and_says_so(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_sensor, "MAX_PARTITIONS", 1)
    for name in ("a", "b"):
        folders.simple(name, 1)
    assert "1 wait until others are retired" in reason(sensor.tick())
    assert sensor.partitions == {"a"}


@pytest.mark.slow
def test_three_thousand_folders_fit_in_one_tick(sensor: Sensor, folders: Folders, index: None) -> None:
    content = picture()
    for number in range(3000):
        still(folders.make(f"{number // 100:02d}/{number:04d}", {"a.png": content}))
    started = time.process_time()
    sensor.tick()
    while sensor.place:
        sensor.tick()
    assert time.process_time() - started < folder_sensor.TICK_BUDGET_S
    assert len(sensor.partitions) == 3000
