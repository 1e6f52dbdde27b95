"""Check of folder_medoid."""

import dagster as dg

from autotag.defs.assets.review.folder_medoid import folder_medoid
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=folder_medoid, name="is_an_image_of_the_folder")
def folder_medoid_is_an_image_of_the_folder(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """The medoid is an image of the manifest, and its cosine lies within [-1, 1]."""
    from autotag.pipeline.audit_review import audit_folder_medoid

    return audit_partitions(context, runtime, audit_folder_medoid)
