"""What becomes of a unit whose worker died: it is written down, and tried again as long as that teaches something."""

from collections import Counter, defaultdict
from typing import Protocol, runtime_checkable

from autotag.domain.counts import StepCounts

MAX_WORKER_DEATHS = 24
"""Deaths over one unit without a journal before it is given up."""


@runtime_checkable
class JournallingWorker(Protocol):
    """A worker that writes down what it is about to touch, so that a death over a unit can be laid to an image."""

    def __call__(self, unit: str) -> StepCounts:
        """Run the unit."""
        ...

    def has_died_over(self, unit: str) -> bool:
        """Whether a process died in the midst of the unit: it may kill the next one too."""
        ...

    def note_death(self, unit: str) -> str:
        """Write down that a process died over the unit while another one, which calls this, went on.

        Returns:
            What is known of the unit's images by now; the same as before where the death taught nothing.
        """
        ...


class DeathWatch:
    """Counts deaths over the units of one run."""

    def __init__(self, worker: object, most: int = MAX_WORKER_DEATHS) -> None:
        """`most` deaths are allowed over a unit of a worker without a journal."""
        self._worker = worker
        self._most = most
        self._known: dict[str, set[str]] = defaultdict(set)
        self.deaths: Counter[str] = Counter()

    def may_go_on(self, unit: str) -> bool:
        """Note another death; whether to try again. Ends: what can be known of the images of a unit is finite."""
        self.deaths[unit] += 1
        if not isinstance(self._worker, JournallingWorker):
            return self.deaths[unit] <= self._most
        known = self._worker.note_death(unit)
        if known in self._known[unit]:
            return False
        self._known[unit].add(known)
        return True
