"""Where a step tells how far it is. One listener a process; without one, nobody listens."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.storage.attempts import images_done
from autotag.storage.roots import is_local

POLL_INTERVAL_S = 0.5

STORE_POLL_INTERVAL_S = 15.0
"""On an object store a look is some paid requests, and the workers themselves write less often there."""


Reached = Callable[[int, int], None]
"""Takes how many images a step is through with, and of how many; 0 where nobody knows."""


def nobody(done: int, total: int) -> None:
    """A `Reached` that does not listen."""
    del done, total


class ProgressListener(Protocol):
    """Someone who wants to know."""

    def started(self, step: str, total: int) -> None:
        """A step begins, or knows better how many images it has: `total`, 0 where nobody knows yet."""
        ...

    def advanced(self, step: str, done: int) -> None:
        """`done` images so far."""
        ...

    def finished(self, step: str, counts: StepCounts) -> None:
        """The step is done."""
        ...


class _Nobody:
    def started(self, step: str, total: int) -> None:
        del step, total

    def advanced(self, step: str, done: int) -> None:
        del step, done

    def finished(self, step: str, counts: StepCounts) -> None:
        del step, counts


@dataclass(frozen=True, slots=True)
class UnitsDone:
    """Names of units by step: sets, since a step that is tried again comes by the units it had finished.

    Attributes:
        finished: all that the step is through with.
        made: those of them that were not done before this began.
    """

    finished: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    made: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


_listener: ProgressListener = _Nobody()
_units_done = UnitsDone()


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send the progress of this process to `listener` inside the block."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


@contextmanager
def counting_units() -> Iterator[UnitsDone]:
    """Collect the units that the steps of this process finish inside the block; what is yielded grows."""
    global _units_done
    before, _units_done = _units_done, UnitsDone()
    try:
        yield _units_done
    finally:
        _units_done = before


class StepProgress:
    """Progress of one step: what its finished units counted, plus what journals say of units under way.

    The journals, one a unit, are looked at only where somebody listens. One that stands as it stood before is of a
    killed run, whose unit nobody has begun again yet.
    """

    def __init__(self, step: str, total: int, journals: Sequence[UPath]) -> None:
        self._step = step
        self._total = total
        self._journals = journals
        self._done = 0
        self._stop = threading.Event()
        _listener.started(step, total)
        self._poller = threading.Thread(target=self._poll, daemon=True, name=f"progress of {step}")
        if journals and not isinstance(_listener, _Nobody):
            self._left_over = images_done(journals)
            self._poller.start()

    def unit_done(self, unit: str, counts: StepCounts) -> None:
        """The unit of this name has finished."""
        self._done += counts.taken
        _units_done.finished[self._step].add(unit)
        if not counts.resumed:
            _units_done.made[self._step].add(unit)
        _listener.advanced(self._step, self._done)

    def reached(self, done: int, total: int) -> None:
        """Of a step without units: `done` images of `total`, which may not have been known when it began."""
        if total != self._total:
            self._total = total
            _listener.started(self._step, total)
        _listener.advanced(self._step, done)

    def close(self, counts: StepCounts) -> None:
        """The step has finished."""
        self.stop()
        _listener.finished(self._step, counts)

    def stop(self) -> None:
        """Stop polling, whatever became of the step."""
        self._stop.set()
        if self._poller.is_alive():
            self._poller.join()

    def _poll(self) -> None:
        interval_s = POLL_INTERVAL_S if all(map(is_local, self._journals)) else STORE_POLL_INTERVAL_S
        while not self._stop.wait(interval_s):
            found = zip(images_done(self._journals), self._left_over, strict=True)
            under_way = sum(done for done, left_over in found if done != left_over)
            _listener.advanced(self._step, self._done + under_way)
