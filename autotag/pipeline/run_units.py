"""Runs the units of a step on an engine, sums their counts, and fails at the end with every unit that failed."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from autotag.compute.engine import Engine, UnitResult, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, InUseError, PermanentError, RetryableError, SettingsError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.progress import StepProgress


def _nothing(result: UnitResult) -> None:
    del result


@dataclass(frozen=True, slots=True)
class Step:
    """A step to run.

    Attributes:
        name: the asset's name.
        worker: what runs a unit.
        units: their names.
        total_images: for the progress bar; 0 where it is not known.
        on_unit: called with each unit's result as it comes.
    """

    name: str
    worker: WorkerPlan
    units: Sequence[str]
    total_images: int = 0
    on_unit: Callable[[UnitResult], None] = _nothing


def run_step(engine: Engine, step: Step) -> StepCounts:
    """Run all units; those that succeed are committed whatever becomes of the others.

    Raises:
        PermanentError, RetryableError: every failing unit's message; a single unit's own error as it is.
        SettingsError: settings that no unit can run with, once for all of them.
    """
    started = time.perf_counter()
    total, failed = StepCounts(), []
    worker = step.worker.make(*step.worker.arguments)
    journals = [worker.journal(unit) for unit in step.units] if isinstance(worker, Journalled) else []
    progress = StepProgress(step.name, step.total_images, journals)
    try:
        # Closed at once when cancelled: a generator left to the collector keeps its actors alive.
        with closing(engine.run(step.worker, step.units)) as results:
            for result in results:
                step.on_unit(result)
                if result.counts is not None:
                    total.add(result.counts)
                    progress.unit_done(result.unit, result.counts)
                elif result.error is not None:
                    failed.append(result.error)
    finally:
        progress.stop()
    total.seconds = time.perf_counter() - started
    if failed:
        raise _joined(step.name, failed, len(step.units))
    progress.close(total.close(step.name))
    return total


def _joined(step: str, failed: list[AutotagError], units: int) -> AutotagError:
    if len(failed) == 1 and units == 1:
        return failed[0]
    lines = "\n".join(f"- {error}" for error in failed[:20])
    more = f"\n- and {len(failed) - 20} more" if len(failed) > 20 else ""
    return as_one(failed, f"{step}: {len(failed)} of {units} units failed:\n{lines}{more}")


def as_one(errors: Sequence[AutotagError], message: str) -> AutotagError:
    """Several errors as the one that decides what happens next.

    Settings that are wrong are told by themselves: they are the run's, whoever met them first. Where trying again may
    help one of them it is tried again: what is done is done.
    """
    for error in errors:
        if isinstance(error, SettingsError):
            return error
    if all(isinstance(error, InUseError) for error in errors):
        return InUseError(message)
    may_pass = any(isinstance(error, RetryableError) for error in errors)
    return RetryableError(message) if may_pass else PermanentError(message)
