"""Progress of steps on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from autotag.domain.counts import StepCounts
from autotag.pipeline.progress import listening


class _Bars:
    """A bar a step; a step whose total nobody knows pulses."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def started(self, step: str, total: int) -> None:
        self._bars[step] = self._progress.add_task(step, total=total or None)

    def advanced(self, step: str, done: int) -> None:
        self._progress.update(self._bars[step], completed=done)

    def finished(self, step: str, counts: StepCounts) -> None:
        self._progress.update(self._bars[step], total=counts.taken, completed=counts.taken)


@contextmanager
def progress_bars(console: Console, quiet: bool) -> Iterator[None]:
    """Show bars inside the block; none when `quiet`."""
    if quiet:
        yield
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, listening(_Bars(progress)):
        yield
