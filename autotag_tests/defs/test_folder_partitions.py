"""Which folders the sensor makes partitions of and retires, and how many it gets through in a tick."""

import shutil
import time

import dagster as dg
import pytest

from autotag.defs import folder_sensor
from autotag.domain.identity import folder_key
from autotag_tests.conftest import Folders, picture
from autotag_tests.defs.watched_folders import (
    Sensor,
    reason,
    still,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


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
