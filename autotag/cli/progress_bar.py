"""Progress of steps on the terminal."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from autotag.domain.counts import StepCounts


class _Bars:
    """A bar a step, all there from the start; a step whose total nobody knows pulses.

    A step that is run again, for the next folder, goes on where it ended.
    """

    def __init__(self, progress: Progress, steps: Sequence[str]) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {
            step: progress.add_task(step, total=None, start=False) for step in steps
        }
        self._before: Counter[str] = Counter()

    def started(self, step: str, total: int) -> None:
        if step not in self._bars:
            self._bars[step] = self._progress.add_task(step, total=None, start=False)
        self._progress.update(self._bars[step], total=self._before[step] + total if total else None)
        self._progress.start_task(self._bars[step])

    def advanced(self, step: str, done: int) -> None:
        self._progress.update(self._bars[step], completed=self._before[step] + done)

    def finished(self, step: str, counts: StepCounts) -> None:
        self._before[step] += counts.taken
        done = self._before[step]
        self._progress.update(self._bars[step], total=done, completed=done)


@contextmanager
def progress_bars(console: Console, steps: Sequence[str]) -> Iterator[None]:
    """Show a bar for each step on the console's terminal inside the block."""
    from autotag.pipeline.progress import listening

    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # A descriptor of its own: while a step runs, Dagster sends standard output to the run's log.
    with os.fdopen(os.dup(console.file.fileno()), "w", encoding="utf-8") as terminal:
        own = Console(file=terminal, force_terminal=True, emoji=False)
        progress = Progress(*columns, console=own, redirect_stdout=False, redirect_stderr=False)
        with progress, listening(_Bars(progress, steps)):
            yield
