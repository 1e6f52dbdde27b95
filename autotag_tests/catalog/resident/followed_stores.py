"""Stores that memory follows: kept in memory, slow, behind a gate, and written to while they are read."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np

from autotag.catalog.resident.followed_store import Change, Editions
from autotag.catalog.resident.resident_regions import ResidentRegions
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import CatalogUnavailableError
from autotag_tests.catalog.made_entries import DIM

LONG_S = 1000.0
SOON_S = 10.0


class FakeStore:
    """Images by edition; counts what is read of it. Readers see the state that they looked at last, as a table's version."""

    def __init__(self, images: Sequence[CatalogImage] = ()) -> None:
        self.there = self.looked_at = dict(enumerate(images))
        self.version, self.seen, self.read, self.is_away, self.looks = 1, 0, 0, False, 0

    def write(self, images: Sequence[CatalogImage], gone: Sequence[str] = ()) -> Change:
        leaving = {each.image_id for each in images} | set(gone)
        stay = {key: each for key, each in self.there.items() if each.image_id not in leaving}
        editions = range(self.version * 1000, self.version * 1000 + len(images))
        self.there = stay | dict(zip(editions, images, strict=True))
        self.version += 1
        return Change(self.version, editions, images, gone)

    def changed(self) -> bool:
        before, self.seen, self.looked_at = self.seen, self.version, self.there
        return self.seen != before

    def moved_by(self, change: Change) -> bool:
        is_next = change.version == self.seen + 1
        if is_next:
            self.seen, self.looked_at = change.version, self.there
        return is_next

    def apart(self) -> "FakeStore":
        return copy(self)

    def regions(self) -> int:
        return sum(1 + len(each.objects) for each in self.looked_at.values())

    def editions(self) -> Editions:
        self.looks += 1
        if self.is_away:
            raise CatalogUnavailableError("away")
        return np.array(list(self.looked_at), np.int64)

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        self.read += len(editions)
        for edition in editions.tolist():
            yield [edition], [self.looked_at[edition]]


class SlowStore(FakeStore):
    """Takes its time."""

    takes_s = 0.0

    def editions(self) -> Editions:
        time.sleep(self.takes_s)
        return super().editions()


class GuardedStore(FakeStore):
    """Those who read it apart wait at a gate."""

    def __init__(self, images: Sequence[CatalogImage] = ()) -> None:
        super().__init__(images)
        self.gate, self.waiting, self.is_apart = threading.Event(), threading.Event(), False

    def apart(self) -> "GuardedStore":
        other = copy(self)
        other.is_apart = True
        return other

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        if self.is_apart:
            self.waiting.set()
            assert self.gate.wait(LONG_S)
        yield from super().images(editions)


class LivingStore(FakeStore):
    """Those who read it apart see what came since, when they look, and wait at a gate before each reading."""

    def __init__(self, images: Sequence[CatalogImage] = (), of: "LivingStore | None" = None) -> None:
        super().__init__(images)
        self.of = of
        self.waiting, self.gates = threading.Semaphore(0), threading.Semaphore(0)

    def apart(self) -> "LivingStore":
        other = copy(self)
        other.of = self
        return other

    def changed(self) -> bool:
        if self.of is not None:
            self.there, self.version = self.of.there, self.of.version
        return super().changed()

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        if self.of is not None:
            self.waiting.release()
            assert self.gates.acquire(timeout=SOON_S)
        yield from super().images(editions)


def until(holds: Callable[[], bool]) -> None:
    """What is read in a thread of its own comes after a while."""
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def resident(store: FakeStore, fresh_for_s: float = -1, most_mb: float = math.inf) -> ResidentRegions:
    """Looks at every question unless told otherwise."""
    return ResidentRegions(store, DIM, fresh_for_s, most_mb)
