"""Take a run's sidecars back: earlier bytes and times as they were, those that it made removed, those changed since left alone."""

from dataclasses import dataclass

from autotag.errors import PermanentError, SidecarError
from autotag.review.sidecars.place import FoundSidecar, SidecarPlace
from autotag.review.sidecars.runs import SidecarEntry, SidecarRun

RESTORED, REMOVED, AS_BEFORE, REFUSED = "restored", "removed", "as before", "refused"


@dataclass(frozen=True, slots=True)
class UndoneSidecar:
    """What became of one sidecar.

    Attributes:
        file: the image.
        sidecar: name of its sidecar.
        state: "restored", "removed", "as before" (it was already), or "refused".
        reason: of a refused one.
    """

    file: str
    sidecar: str
    state: str
    reason: str = ""


def undo_sidecars(run: SidecarRun, folder: SidecarPlace, shadow: SidecarPlace) -> list[UndoneSidecar]:
    """Undo a run. What it did to a sidecar that has been changed since is left, with a reason; undoing again tries again.

    Raises:
        UnwritableRootError: the journal cannot be written.
    """
    undone: list[UndoneSidecar] = []
    for entry in run.entries(folder, shadow):
        place = shadow if entry.is_shadow else folder
        try:
            undone.append(UndoneSidecar(entry.file, entry.sidecar, _undo(run, entry, place)))
        except PermanentError as error:
            undone.append(UndoneSidecar(entry.file, entry.sidecar, REFUSED, str(error)))
    folder.sync()
    shadow.sync()
    run.end_undo([each.sidecar for each in undone if each.state != REFUSED])
    return undone


def _undo(run: SidecarRun, entry: SidecarEntry, place: SidecarPlace) -> str:
    found = place.read(entry.sidecar)
    now = found.sha256 if found else ""
    if now == entry.before_sha256:
        return AS_BEFORE
    if now != entry.after_sha256:
        raise SidecarError(
            "it has been changed since the run; take back later runs first, or what another program did"
            if found
            else "it has been removed since the run"
        )
    if not entry.before_sha256:
        place.remove(entry.sidecar, now)
        return REMOVED
    before = FoundSidecar(run.before(entry.before_sha256), entry.before_mtime_ns, entry.before_mode)
    place.replace(entry.sidecar, before, now)
    if entry.aside and (aside := place.read(entry.aside)) and aside.sha256 == entry.before_sha256:
        place.remove(entry.aside, entry.before_sha256)
    return RESTORED
