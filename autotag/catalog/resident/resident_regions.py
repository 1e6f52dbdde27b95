"""Answers searches from memory, and follows the store."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from autotag.catalog.protocol import CatalogHit, Sought, TagCount, Vectors
from autotag.catalog.resident.followed_store import Change, Editions, FollowedStore
from autotag.catalog.resident.region_columns import RegionColumns
from autotag.catalog.resident.shared_lock import SharedLock
from autotag.catalog.resident.vector_codes import VectorCodes
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import CatalogUnavailableError

SPARE, MOST_SPARE, SPARE_GROWTH = 5, 1000, 8
"""More than were asked for: of equal scores at the end, those with the lower ids are wanted. More again while all of them are equal."""

_EVERYTHING = CatalogFilter()
_UNKNOWN = -math.inf
"""When the store was looked at, where what is in memory may be anything."""

_MOST_GONE = 0.25
"""Share of images that left, from which the rest is put together anew."""

_MOST_NEW = 0.5
"""Share of images that came, from which all are read anew: what is taken in at once lies beside it as it was read, three times as large."""

_FACTS_BYTES = 1000
"""A region's share of what is known of its image, about."""

_LEFT_BY_READING = 1.25
"""Times as much as that is not given back to the system; measured, as the one before, with four regions an image."""


def memory_mb_of(regions: int, dim: int) -> float:
    """About what a process grows by with so many regions, in megabytes: vectors of 16 bits a number, codes of one, and facts."""
    return regions * (dim * 2 + dim / 8 + _FACTS_BYTES) * _LEFT_BY_READING / 1e6


class ResidentRegions:
    """All regions of a catalog. Threads may share it; each change of the store is taken in as one."""

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
        self._columns = RegionColumns()
        self._vectors = VectorCodes(dim)
        self._is_outgrown = False
        self._looked_at_s = _UNKNOWN
        self._failed: tuple[float, CatalogUnavailableError] | None = None
        self._look()

    @property
    def regions(self) -> int:
        """Regions in memory."""
        return len(self._vectors)

    def has_outgrown(self) -> bool:
        """Whether the store holds more than memory may: from then on it is followed no more, and answers are old."""
        self._look_when_due()
        return self._is_outgrown

    def search(
        self, vector: Vectors, k: int, sought: Sought, where: CatalogFilter | None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        self._look_when_due()
        query = np.ascontiguousarray(vector, np.float32)
        with self._lock.shared():
            allowed = self._columns.passing_regions(where or _EVERYTHING, sought)
            spare = SPARE
            positions, scores = self._vectors.nearest(query, k + spare, allowed)
            while len(scores) == k + spare and scores[-1] == scores[k - 1] and spare < MOST_SPARE:
                spare *= SPARE_GROWTH
                positions, scores = self._vectors.nearest(query, k + spare, allowed)
            hits = self._columns.hits(positions, scores)
        return sorted(hits, key=lambda hit: (-hit.score, hit.image_id, hit.region_index))[:k]

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`. Vectors come back with 16 bits a number."""
        self._look_when_due()
        with self._lock.shared():
            places = [self._columns.regions_of(each) for each in image_ids]
            return [
                self._columns.image(each, self._vectors.at(each)) if len(each) else None for each in places
            ]

    def count(self, where: CatalogFilter | None) -> int:
        """See `Catalog.count`."""
        self._look_when_due()
        with self._lock.shared():
            return int(np.count_nonzero(self._columns.passing_images(where or _EVERYTHING)))

    def tags(self, where: CatalogFilter | None, limit: int) -> list[TagCount]:
        """See `Catalog.tags`."""
        self._look_when_due()
        with self._lock.shared():
            passing = np.flatnonzero(self._columns.passing_images(where or _EVERYTHING)).tolist()
            counts = Counter(tag for number in passing for tag in self._columns.facts[number].tags)
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        return [TagCount(tag, images) for tag, images in ranked[:limit]]

    def take_in(self, change: Change) -> None:
        """Know what this process wrote, and what others wrote before it."""
        with self._following:
            if self._looked_at_s == _UNKNOWN or self._is_worn() or not self._store.moved_by(change):
                self._look()
                return
            with self._changing():
                self._columns.drop(change.gone)
                _add(self._columns, self._vectors, change.editions, change.images)
            if self._is_too_much(len(self._vectors)):
                self._looked_at_s = _UNKNOWN  # some of them may have left: the store knows
                self._look()

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

    def _is_due(self) -> bool:
        return not self._is_outgrown and time.monotonic() - self._looked_at_s > self._fresh_for_s

    def _look(self) -> None:
        try:
            if self._store.changed() or self._looked_at_s == _UNKNOWN:
                self._is_outgrown = self._is_too_much(self._store.regions())
                if not self._is_outgrown:
                    self._take_in(self._store.editions())
        except BaseException as error:
            self._looked_at_s = _UNKNOWN
            if isinstance(error, CatalogUnavailableError):
                self._failed = (time.monotonic(), error)
            raise
        self._looked_at_s = time.monotonic()

    def _take_in(self, there: Editions) -> None:
        known, is_there = self._columns.editions.rows, self._columns.is_there.rows
        left = np.flatnonzero(is_there & ~np.isin(known, there)).tolist()
        new = np.setdiff1d(there, known[is_there])
        if len(new) > _MOST_NEW * len(known) or self._is_worn(len(left)):
            self._read_anew(there)
            return
        read = [*self._store.images(new)]
        with self._changing():
            self._columns.drop([self._columns.facts[number].image_id for number in left])
            for editions, images in read:
                _add(self._columns, self._vectors, editions, images)

    def _is_too_much(self, regions: int) -> bool:
        return memory_mb_of(regions, self._dim) > self._most_mb

    def _is_worn(self, leaving: int = 0) -> bool:
        """Whether reading all anew pays: many images left, or the codes are of a much smaller catalog."""
        worn = self._columns.gone + leaving > _MOST_GONE * len(self._columns.facts)
        return worn or self._vectors.should_learn()

    def _read_anew(self, there: Editions) -> None:
        """Searches go on with what was there."""
        columns, vectors = RegionColumns(), VectorCodes(self._dim)
        vectors.reserve(self._store.regions())
        for editions, images in self._store.images(there):
            _add(columns, vectors, editions, images)
        if vectors.should_learn():
            vectors.learn()
        with self._lock.alone():
            self._columns, self._vectors = columns, vectors

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone. Where that fails half way, nothing is left, and the next look reads all anew."""
        with self._lock.alone():
            try:
                yield
            except BaseException:
                self._columns, self._vectors = RegionColumns(), VectorCodes(self._dim)
                self._looked_at_s = _UNKNOWN
                raise


def _add(
    columns: RegionColumns, vectors: VectorCodes, editions: Sequence[int], images: Sequence[CatalogImage]
) -> None:
    if not images:
        return
    columns.add(editions, images)
    vectors.add(np.stack([each.embedding for image in images for each in (image, *image.objects)]))
