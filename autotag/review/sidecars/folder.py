"""xmp_sidecars: a folder's approved tags go into XMP sidecars beside its images, and can be taken back."""

from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError, SidecarError
from autotag.review.sidecars.approved import approved_tags, changed_images
from autotag.review.sidecars.exiftool_session import ExifToolSession
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.plan import (
    MERGED,
    NEW,
    REJECTED,
    UNCHANGED,
    PlannedSidecar,
    SidecarPlaces,
    SidecarTask,
    SidecarWishes,
    plan_sidecars,
)
from autotag.review.sidecars.runs import SidecarRun, named_run, new_run_name, owned_keywords, sidecar_runs
from autotag.review.sidecars.undo import UndoneSidecar, undo_sidecars
from autotag.review.sidecars.write import Reached, nobody, write_sidecars
from autotag.settings import Settings
from autotag.storage.layout import Layout
from autotag.storage.tables import read_table

NO_WISHES = SidecarWishes()


@dataclass(frozen=True, slots=True)
class FolderSidecars:
    """What became of a folder's sidecars, or would.

    Attributes:
        sidecars: one entry an image with approved tags, or with keywords of an earlier run.
        place: the directory they are written to.
        is_shadow: whether that is not the folder itself, which cannot be written to.
        run: name of the run, to undo it by; empty of a dry run.
        report: the file with all entries; empty of a dry run.
    """

    sidecars: list[PlannedSidecar]
    place: str
    is_shadow: bool
    run: str = ""
    report: str = ""

    def count(self, state: str) -> int:
        """How many are in a state."""
        return sum(each.state == state for each in self.sidecars)

    def counts(self, step: str) -> StepCounts:
        """Images in = written + unchanged + rejected.

        Raises:
            CountsDoNotCloseError: a bug.
        """
        made = self.count(NEW) + self.count(MERGED) + self.count(UNCHANGED)
        return StepCounts(
            taken=len(self.sidecars), made=made, rejected=self.count(REJECTED), reused=self.count(UNCHANGED)
        ).close(step)

    @property
    def notice(self) -> str:
        """Empty, or that the sidecars lie in the shadow."""
        if not self.is_shadow:
            return ""
        return (
            "THE FOLDER CANNOT BE WRITTEN TO. Its sidecars are NOT beside its images, and no other program finds them: they"
            f" lie in {self.place}, each under the name it would have; copy them over yourself"
        )


def folder_sidecars(
    layout: Layout,
    settings: Settings,
    key: str,
    wishes: SidecarWishes = NO_WISHES,
    *,
    dry_run: bool = False,
    reached: Reached = nobody,
) -> FolderSidecars:
    """Write a folder's approved tags into sidecars; originals are not even read.

    An image that was replaced since it was scanned is rejected: what was approved is another picture.

    Args:
        layout: every path.
        settings: where the ledger and ExifTool are.
        key: of the folder; who calls holds its lock.
        wishes: a dry run to be held to; what is to become of damaged sidecars.
        dry_run: only say what would be written; ExifTool is not started.
        reached: told how many images' sidecars are written, or need no writing.

    Raises:
        MissingInputError: the folder was not processed yet, is gone, or has no ledger.
        SidecarError: ExifTool is missing or too old, the disk is full, or the dry run was for another place.
        UnwritableRootError: the journal cannot be written.
    """
    places = sidecar_places(layout, key, dry_run=dry_run)
    if wishes.expected and wishes.expected.is_shadow and not places.is_shadow:
        raise SidecarError(
            f"{layout.folder(key)} can be written to, which it could not at the time of the plan; look at it again with"
            " --dry-run"
        )
    runs = layout.folder_tables(key).sidecar_runs
    planned = plan_sidecars(places, _task(layout, settings, key, places, wishes))
    place = str(places.written.directory)
    if dry_run:
        return FolderSidecars(planned, place, places.is_shadow)
    run = SidecarRun(runs / new_run_name())
    if any(plan.state in (NEW, MERGED) or plan.released for plan in planned):
        with ExifToolSession(settings.sidecars.exiftool) as session:
            for earlier in sidecar_runs(runs):
                earlier.settle(places.folder, _shadow(layout, key))
            batch_files = settings.sidecars.batch_files
            planned = write_sidecars(session, places, planned, run, batch_files, reached)
    report = run.report([sidecar_record(plan) for plan in planned])
    return FolderSidecars(planned, place, places.is_shadow, run.name, str(report))


def undo_folder_sidecars(layout: Layout, key: str, run: str) -> list[UndoneSidecar]:
    """Take a run's sidecars back; who calls holds the folder's lock.

    Raises:
        MissingInputError: no such run.
        UnwritableRootError: the journal cannot be written.
    """
    folder, shadow = SidecarPlace(layout.folder(key)), _shadow(layout, key)
    return undo_sidecars(
        named_run(layout.folder_tables(key).sidecar_runs, run, folder, shadow), folder, shadow
    )


def sidecar_places(layout: Layout, key: str, *, dry_run: bool = False) -> SidecarPlaces:
    """The folder itself; its shadow where it may not be written to or lies on an object store.

    Raises:
        MissingInputError: the folder is gone.
    """
    if not layout.folder(key).is_dir():
        raise MissingInputError(f"{layout.folder(key)} is not there; it may have been moved or deleted")
    folder = SidecarPlace(layout.folder(key))
    is_refused = folder.refuses_writes() if dry_run else folder.refuses_a_file()
    return SidecarPlaces(folder, _shadow(layout, key) if is_refused else folder)


def sidecar_record(plan: PlannedSidecar) -> dict[str, Any]:
    """One entry for reports, and for a plan that a later run is held to."""
    return {
        "file": plan.file,
        "sidecar": plan.sidecar,
        "state": plan.state,
        "reason": plan.reason,
        "added": dict(plan.added),
        "removed": dict(plan.removed),
        "sha256": plan.current_sha256,
        "set_aside": plan.aside,
    }


def _shadow(layout: Layout, key: str) -> SidecarPlace:
    return SidecarPlace(layout.folder_tables(key).shadow_sidecars)


def _task(
    layout: Layout, settings: Settings, key: str, places: SidecarPlaces, wishes: SidecarWishes
) -> SidecarTask:
    tables = layout.folder_tables(key)
    columns = ["file", "media_id", "size_bytes", "mtime_ns"]
    images = read_table(tables.images, columns, made_by=f"target_images of {PurePosixPath(key)}").to_pylist()
    journals, shadow = tables.sidecar_runs, _shadow(layout, key)
    owned = partial(owned_keywords, journals, places.folder, shadow)
    return SidecarTask(
        approved=approved_tags(layout, settings, images),
        listed=frozenset(places.folder.names()) | frozenset(places.written.names()),
        owned=owned(),
        owned_in_shadow=owned(is_shadow=True) if places.is_shadow else {},
        expected=wishes.expected,
        set_damaged_aside=wishes.set_damaged_aside,
        changed=changed_images(layout.folder(key), images),
    )
