"""Checks of target_embeddings."""

import dagster as dg

from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=target_embeddings, name="counts_close")
def target_embeddings_counts_close(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every image with regions is embedded or rejected, with all its regions; vectors have unit norm."""
    from autotag.pipeline.audit_tables import audit_target_embeddings

    return audit_partitions(context, runtime, audit_target_embeddings)
