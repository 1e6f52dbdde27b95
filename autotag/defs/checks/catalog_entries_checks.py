"""Check of catalog_entries."""

import dagster as dg

from autotag.defs.assets.catalog.catalog_entries import catalog_entries
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=catalog_entries, name="holds_exactly_the_folder")
def catalog_entries_holds_exactly_the_folder(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Every embedded image of the folder is in the catalog, with these bytes and as many objects, and no other is."""
    from functools import partial

    from autotag.pipeline.audit_catalog import audit_catalog_of

    return audit_partitions(context, runtime, partial(audit_catalog_of, settings=runtime.settings))
