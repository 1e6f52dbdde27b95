"""What an edited row comes to: decisions for the ledger, and where somebody decided otherwise meanwhile.

A sheet says only what its editor changed. What the row still has as it was exported is no statement, whatever happened to it
in the ledger since.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from autotag.domain.ledger_entries import Action, Decision, EffectiveTag, Standing
from autotag.review.sheet.exports import ExportedImage


@dataclass(frozen=True, slots=True)
class Edit:
    """What an editor changed in the approved labels of an image."""

    added: frozenset[str]
    removed: frozenset[str]

    @property
    def labels(self) -> int:
        """How many labels it is about."""
        return len(self.added) + len(self.removed)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A label on which somebody decided otherwise after the export.

    Attributes:
        tag: the label.
        wanted: what the sheet says: approve, add or reject.
        standing: what holds in the ledger.
        decided_by: who said so.
    """

    tag: str
    wanted: Action
    standing: Standing
    decided_by: str


@dataclass(frozen=True, slots=True)
class Merged:
    """Closes as labels of the edit = decisions + conflicts + already.

    Attributes:
        decisions: for the ledger, by label.
        conflicts: left as they are, by label.
        already: labels that stand as the sheet wants them.
    """

    decisions: tuple[Decision, ...]
    conflicts: tuple[Conflict, ...]
    already: int


def edit_of(exported: ExportedImage, approved: frozenset[str]) -> Edit:
    """What was changed since the export."""
    return Edit(approved - exported.approved, exported.approved - approved)


def merge(
    edit: Edit, exported: ExportedImage, now: Mapping[str, EffectiveTag], *, force: bool = False
) -> Merged:
    """Bring an edit together with the ledger.

    A label that was added is approved where a machine proposes it, else added. One that was removed is rejected, not
    cleared: cleared, it would be a machine's open proposal again, and the next "approve all" would undo the edit. Of a
    label that nobody approves any more, a removal has nothing left to say.

    Args:
        edit: what the editor changed.
        exported: the image as the sheet had it.
        now: the image's tags in the ledger, by name.
        force: decide also where somebody decided otherwise since.
    """
    decisions: list[Decision] = []
    conflicts: list[Conflict] = []
    for tag in sorted(edit.added | edit.removed):
        wanted = _wanted(tag, edit, now)
        if wanted is None:
            continue
        standing = now.get(tag)
        if standing is not None and not force and _is_otherwise(standing, wanted, exported):
            conflicts.append(Conflict(tag, wanted, standing.standing, standing.decided_by))
        else:
            decisions.append(Decision(exported.media_id, tag, wanted))
    already = edit.labels - len(decisions) - len(conflicts)
    return Merged(tuple(decisions), tuple(conflicts), already)


def _wanted(tag: str, edit: Edit, now: Mapping[str, EffectiveTag]) -> Action | None:
    """None where the ledger has it so already."""
    standing = now.get(tag)
    is_approved = standing is not None and standing.standing is Standing.APPROVED
    if tag in edit.removed:
        return Action.REJECT if is_approved else None
    if is_approved:
        return None
    return Action.APPROVE if standing is not None and standing.scores else Action.ADD


def _is_otherwise(standing: EffectiveTag, wanted: Action, exported: ExportedImage) -> bool:
    """Whether somebody rejected since the export what the sheet approves. An approval that the sheet removes was there then.

    By what stood and what stands, not by clocks: those of several machines differ.
    """
    is_rejected = standing.standing is Standing.REJECTED and wanted is not Action.REJECT
    return is_rejected and standing.tag not in exported.rejected
