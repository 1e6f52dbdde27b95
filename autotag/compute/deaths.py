"""What becomes of a unit whose worker died: it is written down, and tried again as long as that teaches something."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from autotag.compute.kernel import SYSTEMATIC_FAILURES
from autotag.domain.counts import StepCounts
from autotag.domain.death_note import DeathNote

MAX_WORKER_DEATHS = 24
"""Deaths over one unit in one run before it is given up."""


@runtime_checkable
class JournallingWorker(Protocol):
    """A worker that writes down what it is about to touch, so that a death over a unit can be laid to an image."""

    def __call__(self, unit: str) -> StepCounts:
        """Run the unit."""
        ...

    def has_died_over(self, unit: str) -> bool:
        """Whether a process died in the midst of the unit: it may kill the next one too."""
        ...

    def note_death(self, unit: str) -> DeathNote:
        """Write down that a process died over the unit while another one, which calls this, went on."""
        ...

    def pardon(self, unit: str) -> None:
        """Lay the deaths to none of the unit's images any more."""
        ...


@dataclass(slots=True)
class _Row:
    """Images that killed workers one right after the other: none of the unit was outlived between them."""

    outlived: int = 0
    images: set[str] = field(default_factory=set)


class DeathWatch:
    """Counts deaths over the units of one run."""

    def __init__(self, worker: object, most: int = MAX_WORKER_DEATHS) -> None:
        """`most` deaths are allowed over a unit."""
        self._worker = worker
        self._most = most
        self._known: dict[str, set[DeathNote]] = defaultdict(set)
        self._rows: dict[str, _Row] = defaultdict(_Row)
        self.deaths: Counter[str] = Counter()

    def may_go_on(self, unit: str) -> bool:
        """Note another death; whether to try again.

        Not where it taught nothing, nor beyond `most`, nor where more than `SYSTEMATIC_FAILURES` images in a row
        have killed: that is the model or the machine, and no image is blamed for it.
        """
        self.deaths[unit] += 1
        if isinstance(self._worker, JournallingWorker):
            note = self._worker.note_death(unit)
            if note in self._known[unit]:
                return False
            self._known[unit].add(note)
            if self._killers_in_a_row(unit, note) > SYSTEMATIC_FAILURES:
                self._worker.pardon(unit)
                return False
        return self.deaths[unit] <= self._most

    def _killers_in_a_row(self, unit: str, note: DeathNote) -> int:
        row = self._rows[unit]
        if note.outlived != row.outlived:
            row = self._rows[unit] = _Row(note.outlived)
        if len(note.in_hand) == 1:
            row.images.update(note.in_hand)
        return len(row.images)
