"""How units of work run: the protocol, and the engine that runs them in this process.

A unit is a name: a shard, or a chunk of a folder's files. A worker loads its models once, takes units one
after the other, commits each unit's tables itself and returns counts. No pixels travel.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol, TypeVar

from autotag.compute.apart import ApartProcess, ProcessDiedError
from autotag.compute.deaths import HOPELESS_UNITS, DeathWatch, JournallingWorker
from autotag.compute.memory_errors import is_out_of_memory
from autotag.domain.counts import StepCounts
from autotag.domain.death_note import MACHINE_AT_FAULT, TOO_MANY_DEATHS
from autotag.errors import AutotagError, PermanentError, RetryableError, WorkerLostError

Worker = Callable[[str], StepCounts]
_Result = TypeVar("_Result")


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

        return settled(unit, run)

    def worker(self, plan: WorkerPlan) -> Worker:
        """The plan's worker."""
        if plan not in self._workers:
            self._workers[plan] = plan.make(*plan.arguments)
        return self._workers[plan]


def settled(unit: str, run: Callable[[], _Result]) -> _Result | UnitResult:
    """What `run` returns; what it raises becomes the unit's result.

    An error of ours travels as it is. Anything else is a bug or the machine, and travels with its trace.
    """
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
        perilous = self._perilous(plan, units)
        if _apart.is_open or perilous:
            watch = cache(lambda: DeathWatch(self._shelf.worker(plan)))
            # Units that no process died over first: some bad ones keep no other from its turn for ever.
            for unit in sorted(units, key=perilous.__contains__):
                yield settled(unit, partial(self._run_apart, plan, unit, watch))
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

    def _run_apart(self, plan: WorkerPlan, unit: str, watched: Callable[[], DeathWatch]) -> UnitResult:
        """Run a unit until a process outlives it, or it is given up: its journal finds the images that kill them."""
        watch = watched()
        if watch.is_machine_broken:
            return untried(unit)
        result: UnitResult | None = None
        while result is None:
            try:
                result = _apart.call(_run_there, plan, unit)
            except ProcessDiedError as error:
                result = judged(watch, unit, error)
        watch.end(unit, result.counts, result.error)
        return result

    def _perilous(self, plan: WorkerPlan, units: Sequence[str]) -> set[str]:
        """Units that a process died over."""
        try:
            worker = self._shelf.worker(plan)
            return (
                set(filter(worker.has_died_over, units)) if isinstance(worker, JournallingWorker) else set()
            )
        except Exception:  # noqa: BLE001 - each unit runs into it again, and tells
            return set()


_apart = ApartProcess()
_shelf_apart = WorkerShelf()
"""Workers of the process apart, in that process."""


def _run_there(plan: WorkerPlan, unit: str) -> UnitResult:
    return _shelf_apart.run(plan, unit)


def judged(watch: DeathWatch, unit: str, cause: object) -> UnitResult | None:
    """Note a death over the unit; its result where it is given up, None where it is to be tried again."""
    return None if watch.may_go_on(unit) else lost(unit, watch.deaths[unit], cause, watch.given_up[unit])


def lost(unit: str, deaths: int, cause: object = "", why: str = TOO_MANY_DEATHS) -> UnitResult:
    """Result of a unit that was given up: its workers died `deaths` times."""
    told = f": {cause}" if cause else ""
    return UnitResult(unit, None, WorkerLostError(f"{unit}: its workers died {deaths} times{told}; {why}"))


def untried(unit: str) -> UnitResult:
    """Result of a unit whose turn came when the machine had proven to be broken."""
    text = f"{unit}: not tried, since workers died over {HOPELESS_UNITS} units before it and no image of those came through"
    return UnitResult(unit, None, WorkerLostError(f"{text}; {MACHINE_AT_FAULT}"))
