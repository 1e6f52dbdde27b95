"""Progress of steps where no terminal shows bars: a plain line on standard error now and then."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from autotag.domain.counts import StepCounts

INTERVAL_S = 15.0


@dataclass
class _Step:
    """The step under way: images done of how many (0: nobody knows), and what the last line said."""

    name: str
    total: int
    done: int = 0
    told: int = 0
    started_s: float = field(default_factory=time.monotonic)
    told_s: float = field(default_factory=time.monotonic)


class _Lines:
    """Remembers the step under way, and says how far it is when asked."""

    def __init__(self, units: Callable[[], str]) -> None:
        self._units = units
        self._step: _Step | None = None

    def started(self, step: str, total: int) -> None:
        if self._step is not None and self._step.name == step:
            self._step.total = total
        else:
            self._step = _Step(step, total)

    def advanced(self, step: str, done: int) -> None:
        if self._step is not None and self._step.name == step:
            self._step.done = done

    def finished(self, step: str, counts: StepCounts) -> None:
        del step, counts
        self._step = None

    def line(self) -> str:
        """How far the step is, and its rate since the last line; empty between steps."""
        step, now = self._step, time.monotonic()
        if step is None:
            return ""
        told = [f"{now - step.started_s:,.0f} s"]
        if step.done:
            of = f" of {step.total:,}" if step.total else ""
            rate = (step.done - step.told) / max(now - step.told_s, 1e-9)
            told = [f"{step.done:,}{of} images", f"{rate:,.1f} images/s", *told]
        if units := self._units():
            told.insert(0, units)
        step.told, step.told_s = step.done, now
        return f"{step.name}: {', '.join(told)}"


@contextmanager
def progress_lines(units: Callable[[], str], interval_s: float | None = None) -> Iterator[None]:
    """Write a line to standard error every `interval_s` seconds (`INTERVAL_S`) while a step works inside the block.

    Args:
        units: says how many units are done, like "3 of 100 shards"; may be empty.
        interval_s: between lines.
    """
    from autotag.pipeline.progress import listening

    lines, over = _Lines(units), threading.Event()

    def tell(stream: TextIO) -> None:
        while not over.wait(INTERVAL_S if interval_s is None else interval_s):
            if line := lines.line():
                stream.write(line + "\n")
                stream.flush()

    # A descriptor of its own: while a step runs, the common one leads to a log.
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stream:
        thread = threading.Thread(target=tell, args=(stream,), daemon=True, name="progress lines")
        thread.start()
        try:
            with listening(lines):
                yield
        finally:
            over.set()
            thread.join()
