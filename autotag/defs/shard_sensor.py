"""The sensor of the archive: a shard whose tar or tags changed gets a new data version, so that its manifest shows as stale.

It starts no run: whether to pay for a changed archive is for people to say.
"""

import dagster as dg

from autotag.defs.partitions import source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.shard_changes import shard_observations

INTERVAL_S = 300
"""Each look lists the archive: cheap on a disk, some requests on an object store."""

MAX_CHANGES_A_TICK = 1000
"""Each is an event to be stored; the next tick tells of further ones."""


@dg.sensor(minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
def source_shard_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """Observes source_shards: shards that changed are told to Dagster; nothing is read, no run is started."""
    from autotag.storage.roots import layout_of

    shards = source_shards.get_partition_keys()
    changed = list(shard_observations(context.instance, layout_of(runtime.settings), shards))
    return dg.SensorResult(
        asset_events=changed[:MAX_CHANGES_A_TICK],
        skip_reason=f"{len(changed)} of {len(shards)} shards are new or changed",
    )
