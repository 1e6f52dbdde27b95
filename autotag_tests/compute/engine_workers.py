"""Workers for the engine contract: importable, so that Ray can send them."""

import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from autotag.compute.engine import Worker
from autotag.domain.counts import StepCounts
from autotag.domain.death_note import DeathNote
from autotag.errors import MissingWeightsError, RejectedImageError, RetryableError
from autotag.pipeline.journalled import Journalled
from autotag.storage.attempts import AttemptJournal


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
        if kind == "patient":
            self._wait_until_given_up("dies-2")
        if kind == "sleeps":
            time.sleep(300)
        return StepCounts(taken=1, made=1, units=1, notes=[str(os.getpid())])

    def _wait_until_given_up(self, unit: str, deaths: int = 2) -> None:
        deadline = time.monotonic() + 60
        while self.begun(unit) < deaths and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(3)

    def begun(self, unit: str) -> int:
        """How often the unit was begun."""
        path = self.directory / f"begun {unit}"
        return len(path.read_text()) if path.exists() else 0


def broken_maker(directory: Path) -> Behaviour:
    """A worker that cannot even be made."""
    raise MissingWeightsError("net.pt", str(directory), "put it there")


@dataclass(frozen=True)
class Journalling(Behaviour):
    """Knows of the units that were begun, and learns nothing from a death."""

    def has_died_over(self, unit: str) -> bool:
        """Whether it was begun before."""
        return self.begun(unit) > 0

    def note_death(self, unit: str) -> DeathNote:
        """Leaves a note of its own."""
        with (self.directory / f"deaths of {unit}").open("a") as note:
            note.write("x")
        return DeathNote("the same as ever")

    def pardon(self, unit: str, images: Collection[str]) -> None:
        """Blamed nobody."""


@dataclass(frozen=True)
class Unwritable(Journalling):
    """Cannot write a death down."""

    def note_death(self, unit: str) -> DeathNote:
        """Fails."""
        raise OSError("no space left on device")


@dataclass(frozen=True)
class Suspicious(Journalled):
    """Keeps a real journal of one image, on which it works for long; `directory` holds both."""

    directory: Path

    def __call__(self, unit: str) -> StepCounts:
        with AttemptJournal(self.journal(unit), "inputs", 3) as journal:
            journal.take(["slow"], 0, 1)
            (self.directory / "process").write_text(str(os.getpid()))
            time.sleep(300)
        return StepCounts()

    def journal(self, unit: str) -> UPath:
        return UPath(self.directory / f"{unit}.json")


class Unpicklable:
    """Travels nowhere."""

    def __reduce__(self) -> str:
        raise TypeError("this stays here")


def make_unpicklable_result(unit: str) -> Worker:
    """A worker whose answer cannot be sent back."""
    return lambda _: StepCounts(notes=[Unpicklable()])  # type: ignore[list-item]
