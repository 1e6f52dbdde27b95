"""Progress of a command for a program that watches it: a small JSON file, replaced whole."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotag.domain.counts import StepCounts

INTERVAL_S = 0.2

_file: Path | None = None


def report_to(file: Path | None) -> None:
    """Where this process's commands write their progress; None for nowhere."""
    global _file
    _file = file


def is_wanted() -> bool:
    """Whether a file was named."""
    return _file is not None


@contextmanager
def progress_file() -> Iterator[None]:
    """Write the progress of the block's steps to the file that was named."""
    from autotag.pipeline.progress import listening

    if _file is None:
        yield
        return
    with listening(_Writer(_file)):
        yield


class _Writer:
    """Keeps `{"step", "done", "total", "steps"}` in a file: images done of how many (0: nobody knows), steps finished."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state: dict[str, object] = {"step": "", "done": 0, "total": 0, "steps": []}
        self._finished: list[str] = []
        self._written_s = 0.0

    def started(self, step: str, total: int) -> None:
        self._write(step, 0, total, at_once=True)

    def advanced(self, step: str, done: int) -> None:
        total = self._state["total"] if self._state["step"] == step else 0
        self._write(step, done, total, at_once=False)

    def finished(self, step: str, counts: StepCounts) -> None:
        self._finished.append(step)
        self._write(step, counts.taken, counts.taken, at_once=True)

    def _write(self, step: str, done: int, total: object, *, at_once: bool) -> None:
        self._state = {"step": step, "done": done, "total": total, "steps": self._finished}
        now_s = time.monotonic()
        if not at_once and now_s - self._written_s < INTERVAL_S:
            return
        self._written_s = now_s
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self._state), encoding="utf-8")
        part.replace(self._file)
