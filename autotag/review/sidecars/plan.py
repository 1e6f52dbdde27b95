"""What writing would do to each sidecar of a folder, before anything is written; a dry run ends here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from autotag.errors import SidecarError
from autotag.review.sidecars.diff import joined, keyword_diff, owned_after, without
from autotag.review.sidecars.fields import FieldValues, refusal
from autotag.review.sidecars.names import sidecar_names
from autotag.review.sidecars.place import FoundSidecar, SidecarPlace
from autotag.review.sidecars.seen import seen_sidecar
from autotag.review.sidecars.xml_packet import Packet

NEW, MERGED, UNCHANGED, REJECTED = "new", "merged", "unchanged", "rejected"


@dataclass(frozen=True, slots=True)
class PlannedSidecar:
    """What is to become of one image's sidecar.

    Attributes:
        file: the image.
        sidecar: name of its sidecar, in the same directory.
        state: "new", "merged", "unchanged" or "rejected".
        reason: of a rejected one.
        values: keywords afterwards, by field.
        added: keywords that come, by field.
        removed: keywords of earlier runs that go, by field.
        released: keywords of earlier runs that are ours no more, for somebody else has taken them away, or has them in the
            folder's own sidecar that a shadow is made from.
        owned: keywords that are ours afterwards, by field.
        current_sha256: of what lies where it is written; empty where nothing does.
        base_sha256: of what keywords are brought into; differs where a shadow of a read-only folder is written.
        aside: name that a damaged sidecar is kept under, from whose place a new one takes; empty for none.
    """

    file: str
    sidecar: str
    state: str
    reason: str = ""
    values: FieldValues = field(default_factory=dict)
    added: FieldValues = field(default_factory=dict)
    removed: FieldValues = field(default_factory=dict)
    released: FieldValues = field(default_factory=dict)
    owned: FieldValues = field(default_factory=dict)
    current_sha256: str = ""
    base_sha256: str = ""
    aside: str = ""


@dataclass(frozen=True, slots=True)
class SidecarPlaces:
    """Where sidecars lie.

    Attributes:
        folder: the images' own; sidecars there are read.
        written: where they are written: the folder, or its shadow.
    """

    folder: SidecarPlace
    written: SidecarPlace

    @property
    def is_shadow(self) -> bool:
        """Whether the folder itself is left alone."""
        return self.folder is not self.written

    def found(self, name: str) -> tuple[FoundSidecar | None, FoundSidecar | None]:
        """What lies where it is written, and what keywords are brought into: the folder's own, where it has one.

        Raises:
            SidecarError: one cannot be read.
        """
        own = self.folder.read(name)
        if not self.is_shadow:
            return own, own
        current = self.written.read(name)
        return current, own or current


@dataclass(frozen=True, slots=True)
class KeptSidecar:
    """What an earlier dry run said of one sidecar.

    Attributes:
        sha256: of the bytes where it was to be written; empty where there were none.
        added: keywords that were to come, by field.
        removed: keywords that were to go, by field.
    """

    sha256: str
    added: FieldValues = field(default_factory=dict)
    removed: FieldValues = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """What an earlier dry run saw.

    Attributes:
        sidecars: by name; of one that it does not name, nothing was to be changed.
        is_shadow: whether they were to be written into the folder's shadow.
    """

    sidecars: Mapping[str, KeptSidecar]
    is_shadow: bool

    def of(self, sidecar: str) -> KeptSidecar:
        """What it said of a sidecar; that there is none and none is to come, where it did not name it."""
        return self.sidecars.get(sidecar, KeptSidecar(""))


@dataclass(frozen=True, slots=True)
class SidecarWishes:
    """What whoever asks for sidecars may add.

    Attributes:
        expected: an earlier dry run; a sidecar is rejected whose bytes are others by now, or where anything would come or go
            that it did not say. None: no such.
        set_damaged_aside: a damaged sidecar is kept under another name, and a new one written; else it is rejected.
    """

    expected: KeptPlan | None = None
    set_damaged_aside: bool = False


@dataclass(frozen=True, slots=True)
class SidecarTask:
    """What is asked for.

    Attributes:
        approved: approved labels by image, in any order; an image without any is only looked at for keywords of an
            earlier run, and all images of the folder should be here: names depend on them.
        listed: names of all files of the folder, sidecars among them.
        owned: keywords that earlier runs wrote into the folder, by sidecar and field.
        owned_in_shadow: likewise into its shadow; empty where the folder itself is written to.
        expected: an earlier dry run; a sidecar is rejected whose bytes are others by now, or where anything would come or go
            that it did not say. None: no such.
        changed: images that are not the files that were scanned any more; approvals are of what was scanned.
        set_damaged_aside: a damaged sidecar is kept under another name, and a new one written.
    """

    approved: Mapping[str, Sequence[str]]
    listed: Collection[str]
    owned: Mapping[str, FieldValues] = field(default_factory=dict)
    expected: KeptPlan | None = None
    changed: Collection[str] = frozenset()
    owned_in_shadow: Mapping[str, FieldValues] = field(default_factory=dict)
    set_damaged_aside: bool = False


def plan_sidecars(places: SidecarPlaces, task: SidecarTask) -> list[PlannedSidecar]:
    """One entry an image that has approved labels or keywords of an earlier run, by file name. Nothing is written."""
    names = sidecar_names(task.approved, task.listed)
    planned: list[PlannedSidecar] = []
    for file, sidecar in names.items():
        if not task.approved[file] and sidecar not in task.owned and sidecar not in task.owned_in_shadow:
            continue
        try:
            if file in task.changed or file not in task.listed:
                raise SidecarError("changed since it was scanned; run autotag scan")
            if not sidecar:
                raise SidecarError("another image has the name that its sidecar would have; rename that one")
            planned.append(_planned(places, task, file, sidecar))
        except SidecarError as error:
            planned.append(PlannedSidecar(file, sidecar, REJECTED, str(error)))
    return planned


def _planned(places: SidecarPlaces, task: SidecarTask, file: str, sidecar: str) -> PlannedSidecar:
    labels = sorted(set(task.approved[file]))
    for label in labels:
        if reason := refusal(label):
            raise SidecarError(f"{reason}; rename it in the ledger")
    seen = seen_sidecar(
        places, sidecar, task.listed, is_needed=bool(labels), set_damaged_aside=task.set_damaged_aside
    )
    current_sha, base_sha = (found.sha256 if found else "" for found in (seen.current, seen.base))
    if task.expected is not None and not _is_as_seen(places, task.expected, sidecar, current_sha):
        raise SidecarError(
            "another program has changed it since the dry run; look at it again with --dry-run"
        )
    is_from_shadow = places.is_shadow and seen.base is seen.current
    owned = (task.owned_in_shadow if is_from_shadow else task.owned).get(sidecar, {})
    diff = keyword_diff(seen.before.keywords, labels, owned)
    gone = joined(diff.removed, diff.released)
    ours = owned_after(owned, diff.added, gone)
    written_before = (task.owned_in_shadow if places.is_shadow else task.owned).get(sidecar, {})
    is_there = diff.is_empty and not seen.aside
    if (
        seen.says is not None and seen.current is not seen.base
    ):  # a shadow, made from a sidecar of the folder's own
        is_there = seen.says == Packet(diff.values, seen.before.foreign)
    added, removed = ({}, {}) if is_there else (diff.added, diff.removed)
    if task.expected is not None and not is_there:
        _refuse_unseen(task.expected.of(sidecar), added, removed)
    return PlannedSidecar(
        file=file,
        sidecar=sidecar,
        state=UNCHANGED if is_there else MERGED if seen.is_merged else NEW,
        values=diff.values,
        added=added,
        removed=removed,
        released=joined(diff.released, without(written_before, joined(ours, gone))),
        owned=ours,
        current_sha256=current_sha,
        base_sha256=base_sha,
        aside=seen.aside,
    )


def _is_as_seen(places: SidecarPlaces, seen: KeptPlan, sidecar: str, current_sha256: str) -> bool:
    """Whether what the dry run saw still lies where it saw it: in the folder, even if that turns out to refuse files."""
    if places.is_shadow and not seen.is_shadow:
        own = places.folder.read(sidecar)
        current_sha256 = own.sha256 if own else ""
    return seen.of(sidecar).sha256 == current_sha256


def _refuse_unseen(seen: KeptSidecar, added: FieldValues, removed: FieldValues) -> None:
    """Nothing, where nothing comes or goes that the dry run did not say.

    Raises:
        SidecarError: tags were decided on since.
    """
    if without(added, seen.added) or without(removed, seen.removed):
        raise SidecarError(
            "keywords would come or go that the dry run did not say, for tags were decided on since; look at it again with"
            " --dry-run"
        )
