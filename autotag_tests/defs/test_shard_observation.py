"""source_shards on a real instance: what is observed, what becomes stale by it, what it costs."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from autotag.defs import shard_sensor
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.shard_sensor import GONE, source_shard_sensor
from autotag_tests.conftest import Archive

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

SHARDS = dg.AssetKey("source_shards")


class Room:
    """A Dagster instance over one settings file."""

    def __init__(self, settings_file: Path, instance: dg.DagsterInstance) -> None:
        from autotag.definitions import defs

        self.instance = instance
        self._file = str(settings_file)
        self._defs = defs

    def run(self, job: str, **options: str) -> None:
        config = {
            "resources": {"runtime": {"config": {"config": self._file}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
        result = self._defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config=config, partition_key=options.get("partition")
        )
        assert result.success

    def tick(self) -> int:
        """What the daemon does at a tick of the sensor; the number of changes told."""
        resources = {"runtime": AutotagRuntime(config=self._file)}
        with dg.build_sensor_context(self.instance, resources=resources) as context:
            result = source_shard_sensor(context)
        assert isinstance(result, dg.SensorResult)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return len(result.asset_events)

    def observed(self) -> dict[str, str]:
        """Partition -> data version, as observed last."""
        found = self.instance.event_log_storage.get_latest_tags_by_partition(
            SHARDS, dg.DagsterEventType.ASSET_OBSERVATION, ["dagster/data_version"]
        )
        return {shard: tags["dagster/data_version"] for shard, tags in found.items()}

    def observations(self) -> int:
        return len(self.instance.fetch_observations(SHARDS, limit=1000).records)

    def staleness(self, shard: str) -> StaleStatus:
        resolver = CachingStaleStatusResolver(
            self.instance, self._defs.resolve_asset_graph(), LoadingContextForTest(self.instance)
        )
        return resolver.get_status(dg.AssetKey("source_images"), shard)

    def materialise(self, shard: str) -> None:
        self.run("source_job", partition=shard)


@pytest.fixture
def room(settings_file: Path) -> Iterator[Room]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Room(settings_file, instance)


@pytest.fixture
def two_shards(archive: Archive) -> Archive:
    archive.simple("00000")
    archive.simple("00001", first=100)
    return archive


def test_all_shards_that_are_there_are_observed_and_a_shard_that_changed_again(
    room: Room, two_shards: Archive
) -> None:
    room.run("observe_source_job")
    before = room.observed()
    assert set(before) == {"00000", "00001"}
    two_shards.simple("00001", count=7, first=100)
    room.run("observe_source_job")
    after = room.observed()
    assert after["00000"] == before["00000"]
    assert after["00001"] != before["00001"]


def test_what_did_not_change_is_not_told_again(room: Room, two_shards: Archive) -> None:
    room.run("observe_source_job")
    room.run("observe_source_job")
    assert room.tick() == 0
    assert room.observations() == 2


def test_a_run_over_a_partition_observes_it_alone(room: Room, two_shards: Archive) -> None:
    room.run("observe_source_job", partition="00001")
    assert set(room.observed()) == {"00001"}


def test_the_manifest_of_a_changed_shard_is_stale_until_it_is_made_again(
    room: Room, two_shards: Archive
) -> None:
    assert room.tick() == 2
    for shard in ("00000", "00001"):
        room.materialise(shard)
        assert room.staleness(shard) is StaleStatus.FRESH
    two_shards.tags("00001", {"k100": ["new"]})
    assert room.tick() == 1
    assert room.staleness("00000") is StaleStatus.FRESH
    assert room.staleness("00001") is StaleStatus.STALE
    room.materialise("00001")
    assert room.staleness("00001") is StaleStatus.FRESH


def test_a_shard_that_went_is_told_once_and_one_that_never_was_is_not(
    room: Room, two_shards: Archive
) -> None:
    room.tick()
    (two_shards.data / "source" / "shards" / "00001.tar").unlink()
    assert room.tick() == 1
    assert room.observed()["00001"] == GONE
    assert room.tick() == 0
    assert "00002" not in room.observed()


def test_more_changes_than_a_tick_may_tell_come_with_the_next_one(
    room: Room, two_shards: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_sensor, "MAX_CHANGES_A_TICK", 1)
    assert [room.tick(), room.tick(), room.tick()] == [1, 1, 0]
    assert set(room.observed()) == {"00000", "00001"}


def test_nothing_is_opened(room: Room, two_shards: Archive) -> None:
    for path in (two_shards.data / "source").rglob("*.*"):
        path.write_bytes(b"neither a tar nor a table")
    assert room.tick() == 2
