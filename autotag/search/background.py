"""What arbitrary queries are worth in this catalog, so that a search can tell an answer from the least bad picture.

Text models put all texts near each other: every text has a part that says nothing but "a text", and some pictures are near to it.
A query in words is therefore looked for in the direction in which it differs from the mean of everyday words (a mean taken
away, as in J. Mu and P. Viswanath, "All-but-the-top", 2018), and what is good enough is told by how near those same words
come to a sample of the catalog (a cohort, as in R. Auckenthaler et al., "Score normalization for text-independent speaker
verification systems", 2000). Pictures are looked for as they are, and measured against each other.
"""

import math
import time
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np

from autotag.catalog.protocol import Catalog, CatalogSize, Sought
from autotag.domain.abstain import Background, background_of, background_of_queries
from autotag.models.protocols import Vectors
from autotag.search.everyday_words import EVERYDAY_WORDS
from autotag.search.text_vectors import EmbedTexts

Kind = Literal["text", "picture"]
"""What a query is made of."""

SAMPLE = 2000
"""Regions of the catalog that are drawn."""

_STALE_FROM = 0.1
"""Share by which the catalog's size changes before a background is made anew."""

_LOOK_EVERY_S = 2.0
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True, slots=True)
class _Known:
    background: Background | None
    regions: int


class Backgrounds:
    """Backgrounds of one catalog, made when they are first asked for. Threads may share it."""

    def __init__(self, catalog: Catalog, embed: EmbedTexts, false_alarms: float) -> None:
        """`false_alarms` is the share of queries that have nothing to do with the catalog that may be answered, in (0, 1)."""
        self._catalog = catalog
        self._embed = embed
        self._false_alarms = false_alarms
        self._known: dict[tuple[Kind, Sought], _Known] = {}
        self._words: tuple[Vectors, Vectors] | None = None
        self._size: CatalogSize | None = None
        self._looked_at_s = -np.inf
        self._embedding, self._making, self._looking = Lock(), Lock(), Lock()

    def direction(self, words: Vectors) -> Vectors:
        """float32 (dim,), unit L2 norm: where to look for a text whose vector is `words`."""
        _, mean = self._cohort()
        moved = words - mean
        length = float(np.linalg.norm(moved))
        return (moved / length).astype(np.float32) if length > _LEAST_LENGTH else words

    def cut(self, kind: Kind, sought: Sought, regions: int | None = None) -> float | None:
        """The score that an answer's best region has to reach; None where the catalog is too small to tell.

        Args:
            kind: of the query.
            sought: what is looked for.
            regions: how many are looked at; None for all of the catalog.
        """
        there = _regions(self._current_size(), sought)
        background = self._background(kind, sought, there)
        return background and background.cut(there if regions is None else regions, self._false_alarms)

    def regions_of(self, images: int, sought: Sought) -> int:
        """About how many regions of the kind so many images have, at least 1: as many each as the catalog's have on average."""
        size = self._current_size()
        return max(1, math.ceil(images * _regions(size, sought) / max(1, size.images)))

    def _background(self, kind: Kind, sought: Sought, there: int) -> Background | None:
        """Made anew by one thread while others go on with the one before; the first one is waited for."""
        known = self._known.get((kind, sought))
        if known is None:
            with self._making:
                known = self._known.get((kind, sought)) or self._make(kind, sought, there)
        elif abs(there - known.regions) > _STALE_FROM * known.regions and self._making.acquire(
            blocking=False
        ):
            try:
                known = self._make(kind, sought, there)
            finally:
                self._making.release()
        return known.background

    def _make(self, kind: Kind, sought: Sought, there: int) -> _Known:
        known = self._known[kind, sought] = _Known(self._made(kind, sought), there)
        return known

    def _made(self, kind: Kind, sought: Sought) -> Background | None:
        sample = self._catalog.sample(SAMPLE, sought)
        if kind == "picture":
            apart = ~np.eye(len(sample), dtype=bool)
            return background_of((sample @ sample.T)[apart])
        cohort, mean = self._cohort()
        moved = cohort - mean
        return background_of_queries(moved / np.linalg.norm(moved, axis=1, keepdims=True) @ sample.T)

    def _cohort(self) -> tuple[Vectors, Vectors]:
        """Vectors of the everyday words, and their mean."""
        with self._embedding:
            if self._words is None:
                cohort = self._embed(EVERYDAY_WORDS)
                self._words = (cohort, cohort.mean(axis=0))
            return self._words

    def _current_size(self) -> CatalogSize:
        """Looked at now and then, as the store may have to ask its disk: by one thread, while others go on with the one before."""
        size = self._size
        if size is None:
            with self._looking:
                return self._size or self._look()
        is_due = time.monotonic() - self._looked_at_s > _LOOK_EVERY_S
        if is_due and self._looking.acquire(blocking=False):
            try:
                return self._look()
            finally:
                self._looking.release()
        return size

    def _look(self) -> CatalogSize:
        self._size = self._catalog.size()
        self._looked_at_s = time.monotonic()
        return self._size


def _regions(size: CatalogSize, sought: Sought) -> int:
    return {"image": size.images, "object": size.objects, "any": size.images + size.objects}[sought]
