"""Which shards changed since Dagster last heard of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from autotag.storage.layout import Layout

SHARDS = dg.AssetKey("source_shards")
VERSION_TAG = "dagster/data_version"
GONE = "gone"
"""Version of a shard that was there once."""


def changed_shards(instance: dg.DagsterInstance, layout: "Layout", shards: Sequence[str]) -> dict[str, str]:
    """Shard -> its version now, where that is not the one observed last: an observation is an event that is kept.

    Costs two listings and one query, however many shards there are.
    """
    from autotag.pipeline.observe_shards import shard_versions

    observed = instance.event_log_storage.get_latest_tags_by_partition(
        SHARDS, dg.DagsterEventType.ASSET_OBSERVATION, [VERSION_TAG]
    )
    known = {shard: tags[VERSION_TAG] for shard, tags in observed.items()}
    found = shard_versions(layout, shards)
    now = {shard: found.get(shard, GONE) for shard in shards if shard in found or shard in known}
    return {shard: version for shard, version in now.items() if version != known.get(shard)}


def shard_observations(
    instance: dg.DagsterInstance, layout: "Layout", shards: Sequence[str]
) -> Iterator[dg.AssetObservation]:
    """The changed shards as events that need no run."""
    for shard, version in changed_shards(instance, layout, shards).items():
        yield dg.AssetObservation(SHARDS, partition=shard, tags={VERSION_TAG: version})
