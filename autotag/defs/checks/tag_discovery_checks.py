"""Checks of tag_discovery."""

import dagster as dg

from autotag.defs.assets.review.tag_discovery import tag_discovery
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=tag_discovery, name="every_region_is_accounted_for")
def tag_discovery_every_region_is_accounted_for(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every region is explained, a copy, left out, in one cluster, or alone."""
    from autotag.pipeline.audit_clusters import audit_clusters

    return audit_partitions(context, runtime, audit_clusters)
