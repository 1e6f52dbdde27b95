"""How units of work run: the protocol, and the engine that runs them in this process.

A unit is a name: a shard, or a chunk of a folder's files. A worker loads its models once, takes units one
after the other, commits each unit's tables itself and returns counts. No pixels travel.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, PermanentError, WorkerLostError

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

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """Yield one result a unit, as they finish. A failing unit does not stop the others.

        Closing the generator before its end cancels what is under way.
        """
        ...

    def close(self) -> None:
        """Let go of workers and models."""
        ...


class WorkerShelf:
    """The workers of one process, one a plan, each made when its first unit comes."""

    def __init__(self) -> None:
        self._workers: dict[WorkerPlan, Worker] = {}

    def run(self, plan: WorkerPlan, unit: str) -> UnitResult:
        """Run one unit; what it raises becomes its result.

        An error of ours travels as it is. Anything else is a bug or the machine, and travels with its trace.
        """
        try:
            if plan not in self._workers:
                self._workers[plan] = plan.make(*plan.arguments)
            return UnitResult(unit, self._workers[plan](unit))
        except AutotagError as error:
            return UnitResult(unit, None, error)
        except Exception as error:  # noqa: BLE001 - a unit that fails, however, does not stop the others
            trace = "".join(traceback.format_exception(error)[-3:])
            return UnitResult(unit, None, PermanentError(f"{unit}: {type(error).__name__}: {error}\n{trace}"))


class InProcessEngine:
    """Units here, one after the other or in threads. Workers are kept, so that the next step finds the models loaded."""

    def __init__(self, threads: int = 1) -> None:
        """With more than one thread, units overlap: only for workers without a state of their own."""
        self._threads = threads
        self._shelf = WorkerShelf()

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """See `Engine`."""
        if self._threads == 1:
            for unit in units:
                yield self._shelf.run(plan, unit)
            return
        with ThreadPoolExecutor(self._threads, thread_name_prefix="autotag-unit") as pool:
            waiting = [pool.submit(self._shelf.run, plan, unit) for unit in units]
            try:
                for future in as_completed(waiting):
                    yield future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Drop the workers."""
        self._shelf = WorkerShelf()


def lost(unit: str, deaths: int, cause: object = "") -> UnitResult:
    """Result of a unit that was given up: its workers died `deaths` times."""
    told = f": {cause}" if cause else ""
    text = (
        f"{unit}: its workers died {deaths} times{told}; look for memory running out, then run the step again"
    )
    return UnitResult(unit, None, WorkerLostError(text))
