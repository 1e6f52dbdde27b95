"""What becomes of a unit whose worker died: it is written down, and tried again as long as that teaches something."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Protocol, runtime_checkable

from autotag.compute.kernel import SYSTEMATIC_FAILURES
from autotag.domain.counts import StepCounts
from autotag.domain.death_note import NO_IMAGE_AT_FAULT, NONE_CAME_THROUGH, TOO_MANY_DEATHS, DeathNote
from autotag.errors import AutotagError, WorkerLostError

MAX_WORKER_DEATHS = 24
"""Deaths over one unit in one run before it is given up."""

HOPELESS_UNITS = 3
"""When so many units, one after the other, are given up with no image outlived, the machine is broken."""


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

    def pardon(self, unit: str, images: Collection[str]) -> None:
        """Lay deaths to none of these images of the unit any more."""
        ...


class DeathWatch:
    """Counts deaths over the units of one run.

    Attributes:
        deaths: by unit.
        given_up: units that are not to be tried again, and what a person is told of each.
    """

    def __init__(self, worker: object, most: int = MAX_WORKER_DEATHS) -> None:
        """`most` deaths are allowed over a unit."""
        self._worker = worker
        self._most = most
        self._known: dict[str, set[DeathNote]] = defaultdict(set)
        self._row: dict[str, set[str]] = defaultdict(set)
        self._outlived: set[str] = set()
        self._hopeless = 0
        self.deaths: Counter[str] = Counter()
        self.given_up: dict[str, str] = {}

    @property
    def is_machine_broken(self) -> bool:
        """Whether units were given up one after the other so often that others need not be tried."""
        return self._hopeless >= HOPELESS_UNITS

    def may_go_on(self, unit: str) -> bool:
        """Note another death; whether to try again.

        Not where it taught nothing, nor beyond `most`, nor where more than `SYSTEMATIC_FAILURES` images have killed
        before a single one was outlived: that is the model or the machine, and none of them is blamed for it.
        """
        self.deaths[unit] += 1
        why = self._why_not(unit)
        if why:
            self.given_up[unit] = why
        return not why

    def end(self, unit: str, counts: StepCounts | None, error: AutotagError | None) -> None:
        """Note what became of a unit: one that brought images through shows that the machine works."""
        if counts is not None:
            if counts.made > counts.reused and not counts.resumed:
                self._hopeless = 0
        elif isinstance(error, WorkerLostError) and unit not in self._outlived:
            self._hopeless += isinstance(self._worker, JournallingWorker)

    def least_suspicious_first(self, units: Iterable[str]) -> list[str]:
        """Units that no process died over, then the others: some bad ones keep no other from its turn for ever."""
        worker, units = self._worker, list(units)
        if not isinstance(worker, JournallingWorker):
            return units
        try:
            return sorted(units, key=worker.has_died_over)
        except Exception:  # noqa: BLE001 - each unit runs into it again, and tells
            return units

    def _why_not(self, unit: str) -> str:
        if isinstance(self._worker, JournallingWorker):
            note = self._worker.note_death(unit)
            row = self._killers_in_a_row(unit, note)
            if note in self._known[unit]:
                return NO_IMAGE_AT_FAULT
            self._known[unit].add(note)
            if len(row) > SYSTEMATIC_FAILURES or self.is_machine_broken:
                self._worker.pardon(unit, row)
                return NONE_CAME_THROUGH
        return TOO_MANY_DEATHS if self.deaths[unit] > self._most else ""

    def _killers_in_a_row(self, unit: str, note: DeathNote) -> set[str]:
        """Images that killed workers which had brought none of the unit through. Where one did, machine and model work."""
        row = self._row[unit]
        if note.in_hand and note.outlived:
            self._outlived.add(unit)
            self._hopeless = 0
            row.clear()
        elif len(note.in_hand) == 1:
            row.update(note.in_hand)
        return row
