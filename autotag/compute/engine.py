"""How units of work run: the protocol, and the engine that runs them in this process.

A unit is a name: a shard, or a chunk of a folder's files. A worker loads its models once, takes units one
after the other, commits each unit's tables itself and returns counts. No pixels travel.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from autotag.compute.apart import ApartProcess, ProcessDiedError
from autotag.compute.deaths import DeathWatch, JournallingWorker
from autotag.compute.memory_errors import is_out_of_memory
from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, PermanentError, RetryableError, WorkerLostError

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

    def run(self, plan: WorkerPlan, unit: str, *, after_death: bool = False) -> UnitResult:
        """Run one unit; what it raises becomes its result.

        Args:
            plan: makes the worker.
            unit: its name.
            after_death: another worker of this run has died over the unit a moment ago, which nobody wrote down yet.
        """

        def run() -> UnitResult:
            worker = self.worker(plan)
            if after_death and isinstance(worker, JournallingWorker):
                worker.note_death(unit)
            return UnitResult(unit, worker(unit))

        return _settled(unit, run)

    def worker(self, plan: WorkerPlan) -> Worker:
        """The plan's worker."""
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


class InProcessEngine:
    """Units here, one after the other or in threads. Workers are kept, so that the next step finds the models loaded.

    Once a process has died over a unit of a step, all units of that step and of every later one run in a process
    beside this one, which so outlives whatever else is in them. The engines of a process share that one.
    """

    def __init__(self, threads: int = 1) -> None:
        """With more than one thread, units overlap: only for workers without a state of their own."""
        self._threads = threads
        self._shelf = WorkerShelf()

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """See `Engine`."""
        if _apart.is_open or self._is_perilous(plan, units):
            for unit in units:
                yield _settled(unit, partial(self._run_apart, plan, unit))
            return
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
        """Drop the workers, and end the process beside this one."""
        self._shelf = WorkerShelf()
        _apart.close()

    def _run_apart(self, plan: WorkerPlan, unit: str) -> UnitResult:
        """Run a unit until a process outlives it, or it is given up: its journal finds the images that kill them."""
        watch = DeathWatch(self._shelf.worker(plan))
        while True:
            try:
                return _apart.call(_run_there, plan, unit)
            except ProcessDiedError as error:
                if not watch.may_go_on(unit):
                    return lost(unit, watch.deaths[unit], error)

    def _is_perilous(self, plan: WorkerPlan, units: Sequence[str]) -> bool:
        try:
            worker = self._shelf.worker(plan)
            return isinstance(worker, JournallingWorker) and any(map(worker.has_died_over, units))
        except Exception:  # noqa: BLE001 - each unit runs into it again, and tells
            return False


_apart = ApartProcess()
_shelf_apart = WorkerShelf()
"""Workers of the process apart, in that process."""


def _run_there(plan: WorkerPlan, unit: str) -> UnitResult:
    return _shelf_apart.run(plan, unit)


def lost(unit: str, deaths: int, cause: object = "") -> UnitResult:
    """Result of a unit that was given up: its workers died `deaths` times."""
    told = f": {cause}" if cause else ""
    text = (
        f"{unit}: its workers died {deaths} times{told}, and no single image is at fault; look for memory running out,"
        " or a driver or model that no image comes through, then run the step again"
    )
    return UnitResult(unit, None, WorkerLostError(text))
