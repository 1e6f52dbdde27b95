"""Checks of source_images."""

import dagster as dg

from autotag.defs.assets.source.source_pass import IMAGES
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=IMAGES, name="counts_close")
def source_images_counts_close(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """In = out + rejected + duplicates; the manifest and its rejects hold as many rows; no image is there twice."""
    from autotag.pipeline.audit_tables import audit_source_images

    return audit_partitions(context, runtime, audit_source_images)


@dg.asset_check(asset=IMAGES, name="tags_join")
def source_images_tags_join(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """At least half of a shard's images have tags, or its tags table may be another shard's; a warning."""
    from autotag.pipeline.audit_tables import audit_joined_tags

    return audit_partitions(context, runtime, audit_joined_tags, dg.AssetCheckSeverity.WARN)
