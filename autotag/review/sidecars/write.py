"""Write approved labels into sidecars: plan, let ExifTool make them aside, write down what is about to be done, replace."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from autotag.errors import SidecarError, UnwritableRootError
from autotag.review.sidecars.batch import made_sidecars
from autotag.review.sidecars.diff import joined
from autotag.review.sidecars.exiftool_session import ExifToolSession
from autotag.review.sidecars.place import DiskFullError, FoundSidecar, SidecarPlace, sha256_of
from autotag.review.sidecars.plan import MERGED, NEW, REJECTED, UNCHANGED, PlannedSidecar, SidecarPlaces
from autotag.review.sidecars.runs import SidecarEntry, SidecarRun
from autotag.storage.roots import make_directory
from autotag.storage.scratch import scratch_directory

Reached = Callable[[int, int], None]
"""Takes how many images are done, and of how many."""


def nobody(done: int, total: int) -> None:
    """A `Reached` that does not listen."""
    del done, total


@dataclass(frozen=True, slots=True)
class _Ready:
    """A sidecar that only has to be put in its place."""

    plan: PlannedSidecar
    before: FoundSidecar | None
    data: bytes

    def entry(self, *, is_shadow: bool) -> SidecarEntry:
        before = self.before
        return SidecarEntry(
            file=self.plan.file,
            sidecar=self.plan.sidecar,
            is_shadow=is_shadow,
            before_sha256=before.sha256 if before else "",
            before_mtime_ns=before.mtime_ns if before else 0,
            before_mode=before.mode if before else 0,
            after_sha256=sha256_of(self.data),
            added=self.plan.owned,
            removed=joined(self.plan.removed, self.plan.released),
            aside=self.plan.aside,
        )


def write_sidecars(
    session: ExifToolSession,
    places: SidecarPlaces,
    planned: Sequence[PlannedSidecar],
    run: SidecarRun,
    batch_files: int,
    reached: Reached = nobody,
) -> list[PlannedSidecar]:
    """Carry out a plan. What cannot be written becomes rejected, with a reason; the rest is written all the same.

    A sidecar's earlier bytes and what is about to happen to it are on the disk before it is replaced.

    Args:
        session: a running ExifTool; it gets no file name of the user's.
        places: where sidecars lie.
        planned: of `plan_sidecars`.
        run: journal of this run.
        batch_files: sidecars ExifTool is given together.
        reached: told after each batch; what stays as it is counts as done.

    Returns:
        The plan as it was carried out, in order.

    Raises:
        DiskFullError: no space is left; what was written by then is kept and can be undone.
        UnwritableRootError: the journal cannot be written; nothing of its batch has been.
    """
    outcome = {plan.file: plan for plan in planned}
    wanted = [plan for plan in planned if plan.state in (NEW, MERGED)]
    todo, done = iter(wanted), len(planned) - len(wanted)
    written: list[str] = []
    number = 0
    if places.is_shadow:
        make_directory(places.written.directory)
    places.written.tidy()
    _release(places, planned, run)
    reached(done, len(planned))
    while batch := list(islice(todo, batch_files)):
        number += 1
        ready = _made_aside(session, places, batch, outcome)
        try:
            _publish(places, ready, _BatchJournal(run, number, written), outcome)
        except (DiskFullError, UnwritableRootError) as error:
            raise type(error)(
                f"{places.written.directory}: not all sidecars could be written: {error}; make room and run again; the"
                f" {len(written):,} written before are whole and kept (run {run.name})"
            ) from error
        done += len(batch)
        reached(done, len(planned))
    return list(outcome.values())


def _release(places: SidecarPlaces, planned: Sequence[PlannedSidecar], run: SidecarRun) -> None:
    """Write down what is not ours any more in sidecars that stay as they are: should it come back, it is another's."""
    entries = [
        SidecarEntry(
            file=plan.file,
            sidecar=plan.sidecar,
            is_shadow=places.is_shadow,
            before_sha256=plan.current_sha256,
            before_mtime_ns=0,
            before_mode=0,
            after_sha256=plan.current_sha256,
            added=plan.owned,
            removed=plan.released,
        )
        for plan in planned
        if plan.state == UNCHANGED and plan.released
    ]
    if entries:
        run.begin_batch(0, entries)
        run.end_batch(0, [entry.sidecar for entry in entries])


def _made_aside(
    session: ExifToolSession,
    places: SidecarPlaces,
    batch: Sequence[PlannedSidecar],
    outcome: dict[str, PlannedSidecar],
) -> list[_Ready]:
    """The new bytes of a batch's sidecars; those that cannot be made are rejected."""
    found: list[tuple[PlannedSidecar, FoundSidecar | None, bytes | None]] = []
    for plan in batch:
        try:
            found.append(_unchanged_since(places, plan))
        except SidecarError as error:
            outcome[plan.file] = _rejected(plan, error)
    with scratch_directory() as scratch:
        made = made_sidecars(
            session, Path(os.path.realpath(scratch)), [(plan, base) for plan, _, base in found]
        )
    ready: list[_Ready] = []
    for (plan, before, _), data in zip(found, made, strict=True):
        if isinstance(data, SidecarError):
            outcome[plan.file] = _rejected(plan, data)
        else:
            ready.append(_Ready(plan, before, data))
    return ready


def _unchanged_since(
    places: SidecarPlaces, plan: PlannedSidecar
) -> tuple[PlannedSidecar, FoundSidecar | None, bytes | None]:
    current, base = places.found(plan.sidecar)
    found = (current.sha256 if current else "", base.sha256 if base else "")
    if found != (plan.current_sha256, plan.base_sha256):
        raise SidecarError("another program has changed it in the meantime; run again to bring both together")
    is_left_out = bool(plan.aside) and base is current
    return plan, current, base.data if base and not is_left_out else None


@dataclass(frozen=True, slots=True)
class _BatchJournal:
    run: SidecarRun
    number: int
    written: list[str]

    def begin(self, ready: Sequence[_Ready], *, is_shadow: bool) -> None:
        for each in ready:
            if each.before:
                self.run.save_before(each.before)
        self.run.begin_batch(self.number, [each.entry(is_shadow=is_shadow) for each in ready])

    def end(self, done: Sequence[str]) -> None:
        self.run.end_batch(self.number, done)


def _publish(
    places: SidecarPlaces, ready: Sequence[_Ready], journal: _BatchJournal, outcome: dict[str, PlannedSidecar]
) -> None:
    """Put a batch in its place.

    Raises:
        DiskFullError: no space is left; what lies there says which of the batch were written.
    """
    if not ready:
        return
    journal.begin(ready, is_shadow=places.is_shadow)
    done: list[str] = []
    for each in ready:
        try:
            _put(places.written, each)
        except DiskFullError:
            raise
        except SidecarError as error:
            outcome[each.plan.file] = _rejected(each.plan, error)
            continue
        done.append(each.plan.sidecar)
        journal.written.append(each.plan.sidecar)
    places.written.sync()
    journal.end(done)


def _put(place: SidecarPlace, ready: _Ready) -> None:
    """A sidecar in its place; the damaged one that lies there under its other name before, so that there is always one.

    Raises:
        SidecarError: another program was there first, or the file system refuses; nothing has changed then.
    """
    before, aside = ready.before, ready.plan.aside
    if before and aside:
        place.replace(aside, before, "")
    try:
        new = FoundSidecar(ready.data, mode=before.mode if before else 0)
        place.replace(ready.plan.sidecar, new, before.sha256 if before else "")
    except SidecarError:
        if before and aside:
            place.remove(aside, before.sha256)
        raise


def _rejected(plan: PlannedSidecar, error: SidecarError) -> PlannedSidecar:
    return replace(plan, state=REJECTED, reason=str(error), added={}, removed={}, aside="")
