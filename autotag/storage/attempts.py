"""Journals of units under way: what was in a process's hands when it died, and how far it has come.

A worker writes down the images it is about to touch. When its process dies, the next attempt at the unit, in
whichever run, finds them and goes through them one at a time. Where the process that had given it the unit saw it die,
with one image in its hands, that image has killed it; one that does so too often, time after time, is left out. A
death that nobody outlived (of the whole run, of the machine) makes images suspect, and condemns none. What a journal
says holds for the same inputs and settings only.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from upath import UPath

from autotag.domain.death_note import NONE_CAME_THROUGH, DeathNote
from autotag.errors import AutotagError, RejectedImageError, WorkerLostError
from autotag.storage.removal import remove_file
from autotag.storage.roots import is_local
from autotag.storage.tables import write_text

STORE_BATCHES_A_NOTE = 32
"""On an object store a note is a request of tens of milliseconds: so many batches share one."""


@dataclass(slots=True)
class _Page:
    made_from: str = ""
    in_flight: list[str] = field(default_factory=list)
    deaths: dict[str, int] = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0
    outlived: int = 0

    def suspect_in_flight(self) -> None:
        """A process died: whatever it had in its hands may have killed it."""
        self.suspects = sorted({*self.suspects, *self.in_flight})
        self.in_flight = []

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


class AttemptJournal:
    """The journal of one unit; a block that ends well removes it, one that raises takes no image to be at fault.

    Local notes are lines appended to the file, never flushed to the disk: a killed process loses nothing that it
    wrote, and a note costs some ten microseconds.

    Attributes:
        max_attempts: deaths one image may cause, one after the other.
        batches_a_note: how many batches to write down together.
    """

    def __init__(self, path: UPath, made_from: str, max_attempts: int) -> None:
        """Open it.

        Args:
            path: the file.
            made_from: fingerprint of the unit's inputs and settings; a page of another one is no evidence.
            max_attempts: deaths one image may cause.
        """
        self._path = path
        self._local = Path(path.path) if is_local(path) else None
        self._is_begun = False
        self.max_attempts = max_attempts
        self.batches_a_note = 1 if self._local else STORE_BATCHES_A_NOTE
        page = _read(path)
        self._page = page if page.made_from == made_from else _Page(made_from)
        if self._page.in_flight:
            self._page.suspect_in_flight()
            self._write()
        self._suspects = frozenset(self._page.suspects)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """The unit is committed: the journal goes. Or it was given up: nothing is in flight any more."""
        if kind is None:
            remove_file(self._path)
            return
        with suppress(OSError, AutotagError):  # the error that is under way says more
            if self.has_suspects:
                self._page.in_flight = []
                self._write()
            elif self._is_begun:
                remove_file(self._path)

    @property
    def has_suspects(self) -> bool:
        """Whether a process died over this unit before."""
        return bool(self._suspects)

    def is_condemned(self, name: str) -> bool:
        """Whether the image has killed as many processes as it may."""
        return self._page.deaths.get(name, 0) >= self.max_attempts

    def refusal(self) -> RejectedImageError:
        """What becomes of a condemned image."""
        return RejectedImageError("worker", f"it has killed {self.max_attempts} workers")

    def refuse_to_blame_all(self, condemned: int, outlived: int) -> None:
        """At the end of the unit: where none came through, the model or the machine is at fault, and no image is.

        Raises:
            WorkerLostError: two images or more are condemned, and none was outlived. They are condemned no more.
        """
        if condemned < 2 or outlived:
            return
        self._page.deaths = {}
        self._write()
        raise WorkerLostError(
            f"{self._path}: {condemned} images of this unit killed workers; {NONE_CAME_THROUGH}"
        )

    def batches(self, names: Sequence[str], size: int) -> list[list[int]]:
        """Indices of `names` in batches of `size`; suspects are alone in theirs."""
        batches: list[list[int]] = []
        open_batch: list[int] = []
        for index, name in enumerate(names):
            if name in self._suspects:
                if open_batch:
                    batches.append(open_batch)
                batches.append([index])
                open_batch = []
                continue
            open_batch.append(index)
            if len(open_batch) == size:
                batches.append(open_batch)
                open_batch = []
        return [*batches, open_batch] if open_batch else batches

    def window(self, first: int, size: int) -> list[str]:
        """Numbers, as names, from `first` on, to be taken together: up to `size`, suspects alone.

        For a stream, whose images have no names yet but are numbered as they come.
        """
        names: list[str] = []
        for name in map(str, range(first, first + size * self.batches_a_note)):
            if name in self._suspects:
                return names or [name]
            names.append(name)
        return names

    def take(self, names: Sequence[str], done: int, total: int, outlived: int | None = None) -> None:
        """Write down what is about to be touched, before it is touched; the process outlived what it touched before.

        Of the images that are `done`, `outlived` came through, all of them where it is not told.
        """
        for name in set(self._page.in_flight).difference(names):
            self._page.deaths.pop(name, None)
        self._page.in_flight = list(names)
        self._page.done, self._page.total = done, total
        self._page.outlived = done if outlived is None else outlived
        self._write()

    def _write(self) -> None:
        line = self._page.line()
        if self._is_begun and self._local:
            try:
                with self._local.open("a", encoding="utf-8") as stream:
                    stream.write(line)
            except OSError:  # said better below, where it lasts
                pass
            else:
                return
        write_text(self._path, line, durable=False)
        self._is_begun = True


def died_over(path: UPath) -> bool:
    """Whether a process died while it worked on the journal's unit."""
    page = _read(path)
    return bool(page.in_flight or page.suspects)


def note_death(path: UPath) -> DeathNote:
    """Write down that the process which worked on the journal's unit died, as the one that gave it the unit saw."""
    page = _read(path)
    in_hand = tuple(page.in_flight)
    if page.in_flight:
        if len(page.in_flight) == 1:
            page.deaths[page.in_flight[0]] = page.deaths.get(page.in_flight[0], 0) + 1
        page.suspect_in_flight()
        write_text(path, page.line(), durable=False)
    return DeathNote(json.dumps([page.suspects, page.deaths], sort_keys=True), in_hand, page.outlived)


def pardon(path: UPath, names: Collection[str]) -> None:
    """Forget the deaths that were laid to these images: the fault was elsewhere. Suspects remain so."""
    page = _read(path)
    page.deaths = {name: deaths for name, deaths in page.deaths.items() if name not in names}
    write_text(path, page.line(), durable=False)


def images_done(journals: Iterable[UPath]) -> list[int]:
    """Images done of each journal's unit; 0 where there is no journal."""
    return [_read(path).done for path in journals]


def _read(path: UPath) -> _Page:
    """The last whole line: a process may have died while it wrote one, before it touched what that names."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return _Page()
    for line in reversed(lines):
        try:
            return _Page(**json.loads(line))
        except (ValueError, TypeError):
            continue
    return _Page()
