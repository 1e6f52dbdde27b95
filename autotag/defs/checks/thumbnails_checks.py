"""Check of thumbnails."""

import dagster as dg

from autotag.defs.assets.review.thumbnails import thumbnails
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=thumbnails, name="every_image_has_one")
def thumbnails_every_image_has_one(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every image of the manifest has a thumbnail that lies there, or a row among the rejects."""
    from autotag.pipeline.audit_review import audit_thumbnails

    return audit_partitions(context, runtime, audit_thumbnails)
