"""Folders that a run left out of the catalog, and decisions of afterwards, reach it by the sensor."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.open import open_catalog
from autotag.defs import catalog_sensor, materialized
from autotag.defs.asked_runs import Unasked
from autotag.defs.catalog_sensor import stale_catalog_sensor
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.retired_folders import forget_gone, gone_folders
from autotag.domain.ledger_entries import Action, Decision
from autotag.errors import CatalogUnavailableError
from autotag.models.fakes import DIM
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag_tests.conftest import Archive, Folders
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.test_runs import Room

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]


class Sensor:
    """Ticks as the daemon does; the cursor is kept."""

    def __init__(self, room: Room, settings_file: Path) -> None:
        self.room = room
        self._runtime = AutotagRuntime(config=str(settings_file))
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            self.room.instance, self.cursor, resources={"runtime": self._runtime}
        ) as context:
            result = stale_catalog_sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def requests(self) -> list[dg.RunRequest]:
        return list(self.tick().run_requests or [])

    def execute(self) -> list[str]:
        """Runs what is asked for; the folders."""
        requests = self.requests()
        for each in requests:
            tags = {**each.tags, "dagster/run_key": str(each.run_key)}
            assert self.room.run("catalog_job", partition_key=each.partition_key, tags=tags).success
        return [str(each.partition_key) for each in requests]


@pytest.fixture
def room(settings_file: Path, archive: Archive, folders: Folders) -> Iterator[Room]:
    folders.simple("trip", 3)
    with indexed_room(settings_file, archive) as opened:
        yield opened


@pytest.fixture
def sensor(room: Room, settings_file: Path) -> Sensor:
    return Sensor(room, settings_file)


def tags_in_catalog(settings: Settings, plan: PipelinePlan) -> dict[str, tuple[str, ...]]:
    catalog = open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)
    found = {each.file: each.tags for each in catalog.page()}
    catalog.close()
    return found


def test_a_folder_that_was_tagged_while_the_catalog_was_away_is_brought_in_later(
    room: Room, sensor: Sensor, settings: Settings, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise CatalogUnavailableError("the catalog is away")

    with monkeypatch.context() as patch:
        patch.setattr(LanceCatalog, "upsert", away)
        patch.setattr(materialized, "RETRY_WAIT_S", 0.0)
        assert not room.tag_folder("trip").success
    assert sensor.execute() == ["trip"]
    assert len(tags_in_catalog(settings, plan)) == 3
    assert sensor.requests() == []


def test_a_folder_whose_run_has_not_ended_waits_for_it(room: Room, sensor: Sensor) -> None:
    from autotag.definitions import defs

    assert room.tag_folder("trip").success
    entries = dg.AssetMaterialization("folder_tags", partition="trip")
    room.instance.report_runless_asset_event(entries)
    run = room.instance.create_run_for_job(
        defs.resolve_job_def("process_target_job"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "trip"},
    )
    assert sensor.requests() == []
    room.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, run.job_name), run.run_id
    )
    assert [each.partition_key for each in sensor.requests()] == ["trip"]


def test_a_decision_reaches_the_catalog_and_is_asked_for_once(
    room: Room, sensor: Sensor, settings: Settings, plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("other", 1)
    assert room.tag_folder("trip").success
    assert room.tag_folder("other").success
    assert sensor.requests() == []
    catalog = open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)
    (image,) = [each for each in catalog.page() if (each.folder, each.file) == ("trip", "p002.png")]
    catalog.close()
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        ledger.decide([Decision(image.media_id, "a word of mine", Action.ADD)], "anna")
    assert sensor.execute() == ["trip"]
    assert tags_in_catalog(settings, plan)["p002.png"][0] == "a word of mine"
    assert sensor.requests() == []


def test_folders_that_are_gone_keep_no_decision_about_others_waiting(
    room: Room, sensor: Sensor, settings: Settings, plan: PipelinePlan
) -> None:
    assert room.tag_folder("trip").success
    catalog = open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)
    image = catalog.page()[0]
    catalog.close()
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        ledger.decide([Decision(image.media_id, "a word of mine", Action.ADD)], "anna")
    gone = {f"gone{number}": 10**6 for number in range(catalog_sensor.MAX_RUNS_A_TICK)}
    sensor.cursor = json.dumps({"walk": {"through": 0, "to": 0, "after": ""}, "waiting": gone})
    assert sensor.execute() == ["trip"]


@pytest.mark.parametrize("why", [Unasked.LEFT, Unasked.PAUSED])
def test_folders_that_failed_do_not_use_up_the_time_of_those_behind_them(
    room: Room, sensor: Sensor, folders: Folders, monkeypatch: pytest.MonkeyPatch, why: Unasked
) -> None:
    keys = [f"failed{number}" for number in range(6)] + ["later"]
    for key in keys:
        folders.simple(key, 1)
        room.instance.report_runless_asset_event(dg.AssetMaterialization("folder_tags", partition=key))
    room.instance.add_dynamic_partitions("target_folders", keys)
    answers = iter([why] * 6 + ["first"])
    monkeypatch.setattr(catalog_sensor, "last_run", lambda *_, **__: next(answers))
    monkeypatch.setattr(catalog_sensor, "TICK_BUDGET_S", -1.0)  # suffices for one folder
    asked = [key for _ in keys for each in sensor.requests() if (key := each.partition_key)]
    assert asked == ["later"]


def test_folders_that_are_no_partitions_are_left_alone(room: Room, sensor: Sensor) -> None:
    room.instance.report_runless_asset_event(dg.AssetMaterialization("folder_tags", partition="gone"))
    assert sensor.requests() == []


def test_a_folder_that_was_gone_for_a_while_is_brought_in_again(
    room: Room, sensor: Sensor, settings: Settings, plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("other", 1)
    assert room.tag_folder("trip").success
    path = Path(plan.layout.folder("trip").path)
    path.rename(path.with_name(".away"))
    assert forget_gone(room.instance, plan, settings) == {"trip": 3}
    assert forget_gone(room.instance, plan, settings) == {}
    assert tags_in_catalog(settings, plan) == {}
    path.with_name(".away").rename(path)
    assert sensor.execute() == ["trip"]
    assert len(tags_in_catalog(settings, plan)) == 3
    assert sensor.requests() == []


def test_an_empty_target_root_is_a_drive_that_is_not_mounted(room: Room, plan: PipelinePlan) -> None:
    assert room.tag_folder("trip").success
    target = Path(plan.layout.target.path)
    target.rename(target.with_name("away"))
    target.mkdir()
    assert gone_folders(room.instance, plan.layout) == {}
