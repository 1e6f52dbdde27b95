"""Answers searches from memory, and follows the store."""

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from autotag.catalog.protocol import CatalogHit, Sought, TagCount, Vectors
from autotag.catalog.resident.followed_store import Change, FollowedStore
from autotag.catalog.resident.held_regions import HeldRegions
from autotag.catalog.resident.shared_lock import SharedLock
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import AutotagError, CatalogUnavailableError

_UNKNOWN = -math.inf
"""When the store was looked at, where what is in memory may be anything."""

AT_ONCE = 2000
"""Images that a question waits for when others wrote them: about half a second. More are read while memory answers as it was."""

PAUSE_S = 30.0
"""From a renewal that failed to the next."""

_FACTS_BYTES = 1000
"""A region's share of what is known of its image, about."""

_LEFT_BY_READING = 1.25
"""Times as much as that is not given back to the system; measured, as the one before, with four regions an image."""

_log = logging.getLogger(__name__)


def memory_mb_of(regions: int, dim: int) -> float:
    """About what a process grows by with so many regions, in megabytes: vectors of 16 bits a number, codes of one, and facts."""
    return regions * (dim * 2 + dim / 8 + _FACTS_BYTES) * _LEFT_BY_READING / 1e6


class ResidentRegions:
    """All regions of a catalog. Threads may share it; each change of the store is taken in as one.

    Where all has to be read anew, a thread of its own does that, and memory answers as it was. Who waits for a reading of all is
    only the first to ask, and the first after a failure.
    """

    def __init__(self, store: FollowedStore, dim: int, fresh_for_s: float, most_mb: float = math.inf) -> None:
        """Reads all of the store, unless that is too much.

        Args:
            store: what to follow.
            dim: length of the vectors.
            fresh_for_s: the store is looked at again when a question comes this long after the last look.
            most_mb: of memory, by `memory_mb_of`; up to twice that for the time that all is read anew.

        Raises:
            CatalogUnavailableError: the store does not answer; of all methods.
        """
        self._store = store
        self._dim = dim
        self._fresh_for_s = fresh_for_s
        self._most_mb = most_mb
        self._following = threading.Lock()
        self._lock = SharedLock()
        self._held = HeldRegions(dim)
        self._is_outgrown = False
        self._is_behind = False
        self._looked_at_s = _UNKNOWN
        self._failed: tuple[float, CatalogUnavailableError] | None = None
        self._renewal: threading.Thread | None = None
        self._not_before_s = -math.inf
        self._is_closed = threading.Event()
        self._look()

    @property
    def regions(self) -> int:
        """Regions in memory."""
        return len(self._held)

    def has_outgrown(self) -> bool:
        """Whether the store holds more than memory may: from then on it is followed no more, and answers are old."""
        self._look_when_due()
        return self._is_outgrown

    def search(
        self, vector: Vectors, k: int, sought: Sought, where: CatalogFilter | None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        with self._answering() as held:
            return held.search(vector, k, sought, where)

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`. Vectors come back with 16 bits a number."""
        with self._answering() as held:
            return held.get(image_ids)

    def count(self, where: CatalogFilter | None) -> int:
        """See `Catalog.count`."""
        with self._answering() as held:
            return held.count(where)

    def tags(self, where: CatalogFilter | None, limit: int) -> list[TagCount]:
        """See `Catalog.tags`."""
        with self._answering() as held:
            return held.tags(where, limit)

    def take_in(self, change: Change) -> None:
        """Know what this process wrote, and what others wrote before it, unless that is much."""
        with self._following:
            if self._looked_at_s == _UNKNOWN or not self._store.moved_by(change):
                self._look(change)
            else:
                with self._changing() as held:
                    held.drop(change.gone)
                    held.add(change.editions, change.images)
                if self._is_too_much(len(self._held)):
                    self._looked_at_s = _UNKNOWN  # some of them may have left: the store knows
                    self._look()
        self._renew_where_it_pays()

    def close(self) -> None:
        """Not to be used afterwards: what is read anew just now is left."""
        self._is_closed.set()
        if renewal := self._renewal:
            renewal.join()

    @contextmanager
    def _answering(self) -> Iterator[HeldRegions]:
        self._look_when_due()
        with self._lock.shared():
            yield self._held

    def _look_when_due(self) -> None:
        """While another thread looks, what was there before answers; where that is unknown, its end is waited for."""
        asked_at_s = time.monotonic()
        if not self._is_due():
            return
        if self._following.acquire(blocking=self._looked_at_s == _UNKNOWN):
            try:
                if self._failed and self._failed[0] > asked_at_s:  # what was waited for went wrong
                    raise CatalogUnavailableError(str(self._failed[1])) from self._failed[1]
                if self._is_due():
                    self._look()
            finally:
                self._following.release()
        self._renew_where_it_pays()

    def _is_due(self) -> bool:
        return not self._is_outgrown and time.monotonic() - self._looked_at_s > self._fresh_for_s

    def _look(self, own: Change | None = None) -> None:
        try:
            if self._store.changed() or self._looked_at_s == _UNKNOWN:
                self._is_outgrown = self._is_too_much(self._store.regions())
                if not self._is_outgrown:
                    self._follow(own)
        except BaseException as error:
            self._looked_at_s = _UNKNOWN
            if isinstance(error, CatalogUnavailableError):
                self._failed = (time.monotonic(), error)
            raise
        self._looked_at_s = time.monotonic()

    def _follow(self, own: Change | None) -> None:
        """Bring memory to the store's state; where much is new there, only to what this process wrote, for now."""
        left, new = self._held.changes(self._store.editions())
        if self._looked_at_s == _UNKNOWN and (len(new) > AT_ONCE or not len(self._held)):
            fresh = HeldRegions(self._dim)
            self._read(self._store, fresh)
            fresh.learn_where_it_pays()
            self._put(fresh)
            return
        self._is_behind = len(new) > AT_ONCE
        if self._is_behind:
            left = [*own.gone] if own else []
            new = np.intersect1d(new, np.asarray(own.editions if own else (), np.int64))
        read = [*self._store.images(new)]
        with self._changing() as held:
            held.drop(left)
            for editions, images in read:
                held.add(editions, images)

    def _is_too_much(self, regions: int) -> bool:
        return memory_mb_of(regions, self._dim) > self._most_mb

    def _renew_where_it_pays(self) -> None:
        """Have all read anew, once at a time. Searches and writes go on meanwhile."""
        pays = self._is_behind or self._held.is_worn()
        if not pays or self._is_outgrown or time.monotonic() < self._not_before_s or self._is_renewing():
            return
        if self._following.acquire(blocking=False):  # who follows just now will come here, too
            try:
                if not self._is_renewing() and not self._is_closed.is_set():
                    renewal = threading.Thread(target=self._renew, name="catalog-renewal", daemon=True)
                    renewal.start()
                    self._renewal = renewal  # not before: `close` joins it, which takes one that was started
            finally:
                self._following.release()

    def _is_renewing(self) -> bool:
        return self._renewal is not None and self._renewal.is_alive()

    def _renew(self) -> None:
        self._not_before_s = time.monotonic() + PAUSE_S
        try:
            store, fresh, came = self._store.apart(), HeldRegions(self._dim), math.inf
            while came > AT_ONCE:  # what comes while it is read may be much, too
                store.changed()
                if self._is_too_much(store.regions()):
                    return  # who looks next finds that, too
                came = self._read(store, fresh)
            fresh.learn_where_it_pays()
            with self._following:
                self._end_renewal(fresh)
        except (AutotagError, MemoryError) as error:
            with self._following:
                if self._is_behind:
                    self._looked_at_s = _UNKNOWN  # who asks next waits for what is new, or is told
            if not self._is_closed.is_set():
                _log.warning("The catalog in memory could not be renewed; it is tried again: %s", error)

    def _end_renewal(self, fresh: HeldRegions) -> None:
        try:
            self._store.changed()
            self._is_outgrown = self._is_too_much(self._store.regions())
            if not self._is_outgrown:
                self._read(self._store, fresh)
                self._put(fresh)
                self._not_before_s = -math.inf
        except BaseException:
            self._looked_at_s = _UNKNOWN  # the store has moved on, and memory has not
            raise

    def _read(self, store: FollowedStore, held: HeldRegions) -> int:
        """Bring regions that nobody searches yet to a store's state; how many images came."""
        left, new = held.changes(store.editions())
        held.drop(left)
        if not len(held):
            held.reserve(store.regions())
        for editions, images in store.images(new):
            if self._is_closed.is_set():
                raise CatalogUnavailableError("the catalog was closed while it was read; open it again")
            held.add(editions, images)
        return len(new)

    def _put(self, held: HeldRegions) -> None:
        with self._lock.alone():
            self._held = held
        self._is_behind = False

    @contextmanager
    def _changing(self) -> Iterator[HeldRegions]:
        """Alone. Where that fails half way, nothing is left, and the next look reads all anew."""
        with self._lock.alone():
            try:
                yield self._held
            except BaseException:
                self._held = HeldRegions(self._dim)
                self._looked_at_s = _UNKNOWN
                raise
