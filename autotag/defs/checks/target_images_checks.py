"""Checks of target_images."""

import dagster as dg

from autotag.defs.assets.target.target_images import target_images
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=target_images, name="counts_close")
def target_images_counts_close(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """In = out + rejected; the manifest and its rejects hold as many rows; no file is there twice."""
    from autotag.pipeline.audit_tables import audit_target_images

    return audit_partitions(context, runtime, audit_target_images)
