"""Workers for the engine contract: importable, so that Ray can send them."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from autotag.domain.counts import StepCounts
from autotag.errors import MissingWeightsError, RejectedImageError, RetryableError


@dataclass(frozen=True)
class Behaviour:
    """Does what the unit's name says; `directory` is where deaths are noted."""

    directory: Path

    def __call__(self, unit: str) -> StepCounts:
        with (self.directory / f"begun {unit}").open("a") as note:
            note.write("x")
        kind = unit.partition("-")[0]
        if kind == "weights":
            raise MissingWeightsError("net.pt", "/weights", "put it there")
        if kind == "rejected":
            raise RejectedImageError("decode", "too small")
        if kind == "retryable":
            raise RetryableError("later")
        if kind == "bug":
            raise ZeroDivisionError("oh")
        if kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "diesonce" and self.begun(unit) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "sleeps":
            time.sleep(300)
        return StepCounts(taken=1, made=1, units=1, notes=[str(os.getpid())])

    def begun(self, unit: str) -> int:
        """How often the unit was begun."""
        path = self.directory / f"begun {unit}"
        return len(path.read_text()) if path.exists() else 0


def broken_maker(directory: Path) -> Behaviour:
    """A worker that cannot even be made."""
    raise MissingWeightsError("net.pt", str(directory), "put it there")


@dataclass(frozen=True)
class Journalling(Behaviour):
    """Knows of the units that were begun."""

    def has_died_over(self, unit: str) -> bool:
        """Whether it was begun before."""
        return self.begun(unit) > 0
