"""Checks of tag_discovery_of_all."""

import dagster as dg

from autotag.defs.assets.review.tag_discovery_of_all import tag_discovery_of_all
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=tag_discovery_of_all, name="every_region_is_accounted_for")
def tag_discovery_of_all_every_region_is_accounted_for(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every region is explained, a copy, left out, in one cluster, or alone."""
    from autotag.pipeline.audit_clusters import audit_clusters

    return audit_partitions(
        context, runtime, lambda plan, _: audit_clusters(plan, None), partitions=["all folders"]
    )
