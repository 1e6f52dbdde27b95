"""Checks of source_embeddings."""

import dagster as dg

from autotag.defs.assets.source.source_pass import EMBEDDINGS
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=EMBEDDINGS, name="counts_close")
def source_embeddings_counts_close(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every image of the manifest is embedded or rejected, with all its regions; vectors have unit norm."""
    from autotag.pipeline.audit_tables import audit_source_embeddings

    return audit_partitions(context, runtime, audit_source_embeddings)
