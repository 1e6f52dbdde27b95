"""source_shards: the tars and their tags, which autotag observes and never makes."""

import dagster as dg

from autotag.defs.partitions import SETTINGS, source_shards
from autotag.storage.roots import layout_of

_layout = layout_of(SETTINGS)

source_shards_asset = dg.AssetSpec(
    key="source_shards",
    group_name="source",
    partitions_def=source_shards,
    kinds={"tar", "parquet"},
    description="WebDataset tar shards and their tags tables. Read as streams, never unpacked, never written.",
    metadata={"shards": str(_layout.source_shards), "tags": str(_layout.source_tags)},
)
