"""Check of xmp_sidecars."""

import dagster as dg

from autotag.defs.assets.review.xmp_sidecars import xmp_sidecars
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=xmp_sidecars, name="lie_as_written")
def xmp_sidecars_lie_as_written(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Sidecars of the last run have the bytes that it wrote; those that others changed since are named."""
    from autotag.pipeline.audit_sidecars import audit_xmp_sidecars

    return audit_partitions(context, runtime, audit_xmp_sidecars, dg.AssetCheckSeverity.WARN)
