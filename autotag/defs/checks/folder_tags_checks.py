"""Checks of folder_tags."""

import dagster as dg

from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=folder_tags, name="every_image_is_answered")
def folder_tags_every_image_is_answered(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every image of the manifest is in tags.json or in a rejects table, and none else."""
    from autotag.pipeline.audit_tables import audit_folder_tags

    return audit_partitions(context, runtime, audit_folder_tags)
