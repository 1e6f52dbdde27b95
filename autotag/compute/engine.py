"""How units of work run: the protocol, and the engine that runs them in this process.

A unit is a name: a shard, or a chunk of a folder's files. A worker loads its models once, takes units one
after the other, commits each unit's tables itself and returns counts. No pixels travel.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from autotag.compute.apart import ProcessDiedError, call_apart
from autotag.compute.memory_errors import is_out_of_memory
from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, PermanentError, RetryableError, WorkerLostError

Worker = Callable[[str], StepCounts]

MAX_WORKER_DEATHS = 24
"""Deaths over one unit before it is given up; each image may cause some of them."""


@runtime_checkable
class JournallingWorker(Protocol):
    """A worker that writes down what it is about to touch, and so knows of earlier deaths."""

    def __call__(self, unit: str) -> StepCounts:
        """Run the unit."""
        ...

    def has_died_over(self, unit: str) -> bool:
        """Whether a process died in the midst of the unit: it may kill the next one too."""
        ...


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
        """Run one unit; what it raises becomes its result."""
        return _settled(unit, lambda: UnitResult(unit, self._worker(plan)(unit)))

    def run_guarded(self, plan: WorkerPlan, unit: str) -> UnitResult:
        """The same, in a process of its own where one has died over the unit before."""

        def guarded() -> UnitResult:
            worker = self._worker(plan)
            if isinstance(worker, JournallingWorker) and worker.has_died_over(unit):
                return _run_apart(plan, unit)
            return UnitResult(unit, worker(unit))

        return _settled(unit, guarded)

    def _worker(self, plan: WorkerPlan) -> Worker:
        if plan not in self._workers:
            self._workers[plan] = plan.make(*plan.arguments)
        return self._workers[plan]


def _settled(unit: str, run: Callable[[], UnitResult]) -> UnitResult:
    """An error of ours travels as it is. Anything else is a bug or the machine, and travels with its trace."""
    try:
        return run()
    except AutotagError as error:
        return UnitResult(unit, None, error)
    except Exception as error:  # noqa: BLE001 - a unit that fails, however, does not stop the others
        trace = "".join(traceback.format_exception(error)[-3:])
        kind = RetryableError if is_out_of_memory(error) else PermanentError
        return UnitResult(unit, None, kind(f"{unit}: {type(error).__name__}: {error}\n{trace}"))


def _run_apart(plan: WorkerPlan, unit: str) -> UnitResult:
    """Run a unit in processes of their own, until one outlives it: its journal finds what kills them."""
    cause = ""
    for _ in range(MAX_WORKER_DEATHS):
        try:
            return call_apart(_run_once, plan, unit)
        except ProcessDiedError as error:
            cause = str(error)
    return lost(unit, MAX_WORKER_DEATHS, cause)


def _run_once(plan: WorkerPlan, unit: str) -> UnitResult:
    return WorkerShelf().run(plan, unit)


class InProcessEngine:
    """Units here, one after the other or in threads. Workers are kept, so that the next step finds the models loaded.

    A unit over which an earlier process died runs in a process of its own: it must not take this one with it.
    """

    def __init__(self, threads: int = 1) -> None:
        """With more than one thread, units overlap: only for workers without a state of their own."""
        self._threads = threads
        self._shelf = WorkerShelf()

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """See `Engine`."""
        if self._threads == 1:
            for unit in units:
                yield self._shelf.run_guarded(plan, unit)
            return
        with ThreadPoolExecutor(self._threads, thread_name_prefix="autotag-unit") as pool:
            waiting = [pool.submit(self._shelf.run_guarded, plan, unit) for unit in units]
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
