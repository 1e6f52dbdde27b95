"""Check of review_sheet."""

import dagster as dg

from autotag.defs.assets.review.review_sheet import review_sheet
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=review_sheet, name="one_row_an_image")
def review_sheet_one_row_an_image(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """One row an image of the manifest, and none else."""
    from autotag.pipeline.audit_review import audit_review_sheet

    return audit_partitions(context, runtime, audit_review_sheet, dg.AssetCheckSeverity.WARN)
