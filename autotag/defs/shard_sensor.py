"""The archive's shards as Dagster knows them: a shard whose tar or tags changed gets a new data version.

Its manifest then shows as stale. No run is started: whether to pay for a changed archive is for people to say.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.partitions import source_shards
from autotag.defs.resources.runtime import AutotagRuntime

if TYPE_CHECKING:
    from autotag.storage.layout import Layout

INTERVAL_S = 300
"""Each look lists the archive: cheap on a disk, some requests on an object store."""

MAX_CHANGES_A_TICK = 1000
"""Each is an event to be stored; the next tick tells of further ones."""

SHARDS = dg.AssetKey("source_shards")
VERSION_TAG = "dagster/data_version"
GONE = "gone"
"""Version of a shard that was there once."""


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
def source_shard_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """Observes source_shards: shards that changed are told to Dagster; nothing is read, no run is started."""
    from autotag.storage.roots import layout_of

    shards = source_shards.get_partition_keys()
    changed = shard_observations(context.instance, layout_of(runtime.settings), shards)
    return dg.SensorResult(
        asset_events=changed[:MAX_CHANGES_A_TICK],
        skip_reason=f"{len(changed)} of {len(shards)} shards are new or changed",
    )


def shard_observations(
    instance: dg.DagsterInstance, layout: "Layout", shards: Sequence[str]
) -> list[dg.AssetObservation]:
    """The changed shards as events that need no run."""
    return [
        dg.AssetObservation(SHARDS, partition=shard, tags={VERSION_TAG: version})
        for shard, version in changed_shards(instance, layout, shards).items()
    ]


def changed_shards(instance: dg.DagsterInstance, layout: "Layout", shards: Sequence[str]) -> dict[str, str]:
    """Shard -> its version now, where that is not the one observed last: an observation is an event that is kept.

    Costs two listings and one query, however many shards there are.
    """
    from autotag.storage.fingerprints import shard_versions

    known, found = _observed(instance), shard_versions(layout, shards)
    now = {shard: found.get(shard, GONE) for shard in shards if shard in found or shard in known}
    return {shard: version for shard, version in now.items() if version != known.get(shard)}


def _observed(instance: dg.DagsterInstance) -> dict[str, str]:
    """Shard -> its version as observed last."""
    # Of the storage, not of the instance: what is public reads every observation there ever was, this is one query.
    observed = instance.event_log_storage.get_latest_tags_by_partition(
        SHARDS, dg.DagsterEventType.ASSET_OBSERVATION, [VERSION_TAG]
    )
    return {shard: tags[VERSION_TAG] for shard, tags in observed.items()}
