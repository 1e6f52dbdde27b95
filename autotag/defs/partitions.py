"""Partition sets and versions. The settings file is all that is read here."""

import dagster as dg

from autotag.domain.identity import shard_name
from autotag.domain.schema_version import SCHEMA_VERSION
from autotag.settings import Settings

SETTINGS = Settings.load()

source_shards = dg.StaticPartitionsDefinition(
    [shard_name(number) for number in range(SETTINGS.source.first_shard, SETTINGS.source.last_shard + 1)]
)
"""One partition a tar shard, from [source] first_shard to last_shard."""

target_folders = dg.DynamicPartitionsDefinition(name="target_folders")
"""One partition a target folder; the sensor adds and retires them."""

source_backfill = dg.BackfillPolicy.multi_run(max_partitions_per_run=SETTINGS.source.max_partitions_per_run)
"""A run takes several shards; each commits by itself, so a crash keeps what is done."""


def code_version(step: int) -> str:
    """Step + schema + models by name: a change of any makes what is materialised stale."""
    models = SETTINGS.models
    return f"{step}.{SCHEMA_VERSION}.{models.detector}+{models.embedder}"
