"""Audit of a folder's sidecars: what the last run wrote lies there as it was written."""

from autotag.errors import SidecarError
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.plan import PipelinePlan
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.runs import sidecar_runs


def audit_xmp_sidecars(plan: PipelinePlan, key: str) -> Audit:
    """Sidecars of the last run that wrote some: each has the bytes that were written; those that were taken back are not asked for.

    A sidecar that another program has changed since is no damage, but people should know: the next run brings both together.
    """
    tables = plan.layout.folder_tables(key)
    folder, shadow = SidecarPlace(plan.layout.folder(key)), SidecarPlace(tables.shadow_sidecars)
    runs = reversed(sidecar_runs(tables.sidecar_runs))
    last = next((run for run in runs if run.has_written(folder, shadow)), None)
    if last is None:
        return Audit(0, ())
    entries = list(last.entries(folder, shadow))
    faults = []
    for entry in entries:
        if fault := _fault(shadow if entry.is_shadow else folder, entry.sidecar, entry.after_sha256):
            faults.append(f"{entry.sidecar}: {fault}")
    return Audit(len(entries), tuple(faults))


def _fault(place: SidecarPlace, sidecar: str, written_sha256: str) -> str:
    try:
        found = place.read(sidecar)
    except SidecarError as error:
        return str(error)
    if found is None:
        return "it was removed since it was written"
    return "" if found.sha256 == written_sha256 else "it was changed since it was written"
