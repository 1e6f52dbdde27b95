"""An audit of a run's partitions as the result of one asset check."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.materialized import failures
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.errors import MissingInputError

if TYPE_CHECKING:
    from autotag.pipeline.audit_tables import Auditor

FAULTS_SHOWN = 20


def audit_partitions(
    context: dg.AssetCheckExecutionContext,
    runtime: AutotagRuntime,
    auditor: "Auditor",
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    *,
    partitions: Sequence[str] | None = None,
) -> dg.AssetCheckResult:
    """Audit the partitions of this run; without any (the check was started by itself), those that are materialised.

    Of an asset without partitions, `partitions` is what its one result is called.

    A table that is not there is a fault: the check stands behind its asset.
    """
    with failures():
        plan = runtime.plan(context)
        items, faults = 0, []
        names = _partitions(context) if partitions is None else partitions
        for partition in names:
            try:
                audit = auditor(plan, partition)
            except MissingInputError as error:
                faults.append(f"{partition}: {error}")
                continue
            items += audit.items
            faults += [f"{partition}: {fault}" for fault in audit.faults]
    facts: dict[str, dg.MetadataValue | int] = {
        "partitions": len(names),
        "rows": items,
        "faults": len(faults),
    }
    if faults:
        more = [f"- and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
        facts["what is wrong"] = dg.MetadataValue.md(
            "\n".join([*(f"- {f}" for f in faults[:FAULTS_SHOWN]), *more])
        )
    return dg.AssetCheckResult(passed=not faults, severity=severity, metadata=facts)


def _partitions(context: dg.AssetCheckExecutionContext) -> list[str]:
    if context.has_partition_key or context.has_partition_key_range:
        return list(context.partition_keys)
    (asset,) = {key.asset_key for key in context.selected_asset_check_keys}
    return sorted(context.instance.get_materialized_partitions(asset))
