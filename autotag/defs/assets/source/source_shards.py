"""source_shards: the tars and their tags, which autotag observes and never makes."""

import dagster as dg

from autotag.defs.materialized import failures
from autotag.defs.partitions import SETTINGS, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.shard_sensor import changed_shards
from autotag.storage.roots import layout_of

_layout = layout_of(SETTINGS)


@dg.observable_source_asset(
    name="source_shards",
    group_name="source",
    partitions_def=source_shards,
    description="WebDataset tar shards and their tags tables. Read as streams, never unpacked, never written.",
    metadata={"shards": str(_layout.source_shards), "tags": str(_layout.source_tags)},
    tags={"dagster/kind/tar": "", "dagster/kind/parquet": ""},
)
def source_shards_asset(
    context: dg.OpExecutionContext, runtime: AutotagRuntime
) -> dg.DataVersionsByPartition:
    """The versions of those shards that changed since they were last observed, of the run's partitions or of all."""
    of_run = context.has_partition_key or context.has_partition_key_range
    shards = context.partition_keys if of_run else source_shards.get_partition_keys()
    with failures():
        layout = layout_of(runtime.settings)
        return dg.DataVersionsByPartition(changed_shards(context.instance, layout, shards))
