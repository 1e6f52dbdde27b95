"""Journals of units under way: what was in a worker's hands when it died, and how far it has come.

A worker writes down the images it is about to touch. When the process dies, the next attempt at the unit
finds them, goes through them one at a time, and leaves out the one that has killed a worker too often. A
journal of another run (its token differs) is no evidence against an image: that run may have been killed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from upath import UPath

from autotag.storage.removal import remove_file
from autotag.storage.tables import write_text


@dataclass(slots=True)
class _Page:
    token: str = ""
    in_flight: list[str] = field(default_factory=list)
    deaths: dict[str, int] = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0


class AttemptJournal:
    """The journal of one unit.

    Attributes:
        max_attempts: deaths of workers one image may cause.
    """

    def __init__(self, path: UPath, token: str, max_attempts: int) -> None:
        """Open it; a page that an attempt of the same run left behind is held against its images."""
        self._path = path
        self.max_attempts = max_attempts
        self._page = _read(path)
        if self._page.token != token:
            self._page = _Page(token=token)
        if len(self._page.in_flight) == 1:
            name = self._page.in_flight[0]
            self._page.deaths[name] = self._page.deaths.get(name, 0) + 1
        if self._page.in_flight:
            self._page.suspects = sorted({*self._page.suspects, *self._page.in_flight})
            self._page.in_flight = []

    @property
    def has_suspects(self) -> bool:
        """Whether a worker died over this unit before."""
        return bool(self._page.suspects)

    def is_condemned(self, name: str) -> bool:
        """Whether the image has killed as many workers as it may."""
        return self._page.deaths.get(name, 0) >= self.max_attempts

    def batches(self, names: Sequence[str], size: int) -> list[list[int]]:
        """Indices of `names` in batches of `size`; suspects are alone in theirs."""
        suspects = set(self._page.suspects)
        batches: list[list[int]] = []
        open_batch: list[int] = []
        for index, name in enumerate(names):
            if name in suspects:
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

    def take(self, names: Sequence[str], done: int, total: int) -> None:
        """Write down what is about to be touched, before it is touched."""
        self._page.in_flight = list(names)
        self._page.done, self._page.total = done, total
        write_text(self._path, json.dumps(asdict(self._page)), durable=False)

    def finish(self) -> None:
        """The unit is committed: the journal goes."""
        remove_file(self._path)


def progress(directory: UPath) -> int:
    """Images done in all units under way; 0 where the directory is not there, or goes while one looks."""
    try:
        pages = [path for path in directory.iterdir() if path.suffix == ".json"]
    except OSError:
        return 0
    return sum(_read(path).done for path in pages)


def _read(path: UPath) -> _Page:
    try:
        return _Page(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _Page()
