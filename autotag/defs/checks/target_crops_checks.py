"""Checks of target_crops."""

import dagster as dg

from autotag.defs.assets.target.target_crops import target_crops
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=target_crops, name="counts_close")
def target_crops_counts_close(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every image of the manifest has its regions or a reject, every object its crop on disk."""
    from autotag.pipeline.audit_tables import audit_target_crops

    return audit_partitions(context, runtime, audit_target_crops)
