"""What an import of a review sheet came to. Every row, every label that was changed and every exported image is counted."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from autotag.domain.ledger_entries import Action, Decision
from autotag.errors import CountsDoNotCloseError
from autotag.review.sheet.merge import Conflict

Outcome = Literal["unchanged", "imported", "already", "conflicting", "rejected"]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was left out as a whole."""

    line: int
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileConflict:
    """A label of a file on which somebody decided otherwise since the export."""

    file: str
    conflict: Conflict


@dataclass(slots=True)
class ImportReport:
    """Counts of rows, of labels and of images, which close each.

    Attributes:
        rows: of the sheet; each has one outcome.
        outcomes: unchanged since the export; imported, at least one label of them; already so in the ledger;
            conflicting, and nothing else to import; rejected.
        edits: labels that were changed, once an image; decisions + conflicts + already_so.
        decisions: for the ledger.
        already_so: labels that stood as the sheet wants them.
        conflicts: labels that were left as they are.
        rejected: rows that were left out.
        unknown_labels: labels that nobody knows, and in how many rows.
        new_labels: likewise, of those that were imported all the same.
        exported: images of the exports that the sheet's rows are of.
        missing: of these, without a row in the sheet: left as they are.
        run_id: of the import, to undo it; empty where nothing was written.
        is_dry_run: nothing was to be written.
    """

    rows: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    edits: int = 0
    decisions: list[Decision] = field(default_factory=list)
    already_so: int = 0
    conflicts: list[FileConflict] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    unknown_labels: Counter[str] = field(default_factory=Counter)
    new_labels: Counter[str] = field(default_factory=Counter)
    exported: int = 0
    missing: int = 0
    run_id: str = ""
    is_dry_run: bool = False

    def reject(self, line: int, file: str, reason: str) -> None:
        """Leave a row out."""
        self.outcomes["rejected"] += 1
        self.rejected.append(RejectedRow(line, file, reason))

    def close(self, name: str) -> "ImportReport":
        """Check the balances.

        Raises:
            CountsDoNotCloseError: a row or a label went missing.
        """
        if self.rows != self.outcomes.total() or self.outcomes["rejected"] != len(self.rejected):
            raise CountsDoNotCloseError(f"{name}: {self.rows} rows, but {dict(self.outcomes)}")
        labels = len(self.decisions) + len(self.conflicts) + self.already_so
        if self.edits != labels:
            raise CountsDoNotCloseError(f"{name}: {self.edits} labels changed, but {labels} accounted for")
        return self

    def decided(self, action: Action) -> int:
        """Decisions of a kind."""
        return sum(decision.action is action for decision in self.decisions)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run_id": self.run_id,
            "dry_run": self.is_dry_run,
            "rows": self.rows,
            "unchanged": self.outcomes["unchanged"],
            "imported": self.outcomes["imported"],
            "already": self.outcomes["already"],
            "conflicting": self.outcomes["conflicting"],
            "rejected": self.outcomes["rejected"],
            "edits": self.edits,
            "approved": self.decided(Action.APPROVE),
            "added": self.decided(Action.ADD),
            "tags_rejected": self.decided(Action.REJECT),
            "already_so": self.already_so,
            "conflicts": [{"file": each.file, **asdict(each.conflict)} for each in self.conflicts],
            "rejected_rows": [asdict(row) for row in self.rejected],
            "unknown_labels": dict(self.unknown_labels),
            "new_labels": dict(self.new_labels),
            "exported": self.exported,
            "missing": self.missing,
        }
