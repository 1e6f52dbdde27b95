"""How units of work run: the protocol, and the engine that runs them in this process.

A unit is a name: a shard, or a chunk of a folder's files. A worker loads its models once, takes units one
after the other, commits each unit's tables itself and returns counts. No pixels travel.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, PermanentError

Worker = Callable[[str], StepCounts]


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker process needs to make its worker: an importable class and its picklable arguments."""

    make: Callable[..., Worker]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit: counts, or the error that ended it."""

    unit: str
    counts: StepCounts | None
    error: AutotagError | None = None


class Engine(Protocol):
    """Runs units on workers."""

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Iterator[UnitResult]:
        """Yield one result a unit, as they finish. A failing unit does not stop the others."""
        ...

    def close(self) -> None:
        """Let go of workers and models."""
        ...


def run_unit(worker: Worker, unit: str) -> UnitResult:
    """Run one unit; what it raises becomes its result.

    An error of ours travels as it is. Anything else is a bug or the machine, and travels with its trace.
    """
    try:
        return UnitResult(unit, worker(unit))
    except AutotagError as error:
        return UnitResult(unit, None, error)
    except Exception as error:
        trace = "".join(traceback.format_exception(error)[-3:])
        return UnitResult(unit, None, PermanentError(f"{unit}: {type(error).__name__}: {error}\n{trace}"))


class InProcessEngine:
    """Units one after the other, here. Workers are kept, so that the next step finds the models loaded."""

    def __init__(self) -> None:
        self._workers: dict[WorkerPlan, Worker] = {}

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Iterator[UnitResult]:
        """See `Engine`."""
        if plan not in self._workers:
            self._workers[plan] = plan.make(*plan.arguments)
        worker = self._workers[plan]
        for unit in units:
            yield run_unit(worker, unit)

    def close(self) -> None:
        """Drop the workers."""
        self._workers.clear()
