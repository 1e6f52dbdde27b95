"""Regions in memory: what searches ask of them, and how they change. Knows no store and no lock."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from autotag.catalog.protocol import CatalogHit, Sought, TagCount, Vectors
from autotag.catalog.resident.followed_store import Editions
from autotag.catalog.resident.region_columns import RegionColumns
from autotag.catalog.resident.vector_codes import VectorCodes
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter

SPARE, MOST_SPARE, SPARE_GROWTH = 5, 1000, 8
"""More than were asked for: of equal scores at the end, those with the lower ids are wanted. More again while all of them are equal."""

_EVERYTHING = CatalogFilter()

_MOST_GONE = 0.25
"""Share of images that left, from which the rest is put together anew."""


class HeldRegions:
    """Vectors of regions, beside what filters ask of them and hits show. Reading may be shared; who changes them wants to be alone."""

    def __init__(self, dim: int) -> None:
        """None yet; `dim` is the length of their vectors."""
        self._columns = RegionColumns()
        self._vectors = VectorCodes(dim)

    def __len__(self) -> int:
        """Regions in memory, with those of images that left."""
        return len(self._vectors)

    def reserve(self, regions: int) -> None:
        """Make room for so many."""
        self._vectors.reserve(regions)

    def add(self, editions: Sequence[int], images: Sequence[CatalogImage]) -> None:
        """Images with their regions; one of the same id leaves."""
        if images:
            self._columns.add(editions, images)
            self._vectors.add(
                np.stack([each.embedding for image in images for each in (image, *image.objects)])
            )

    def drop(self, image_ids: Iterable[str]) -> None:
        """Images leave; ids that are not there are passed over."""
        self._columns.drop(image_ids)

    def learn_where_it_pays(self) -> None:
        """Make short codes of the vectors, where there are many; takes seconds."""
        if self._vectors.should_learn():
            self._vectors.learn()

    def is_worn(self) -> bool:
        """Whether putting all together anew pays: many images left, or the codes are of a much smaller catalog."""
        return self._columns.gone > _MOST_GONE * len(self._columns.facts) or self._vectors.should_learn()

    def changes(self, there: Editions) -> tuple[list[str], Editions]:
        """Ids of the images whose editions are not among these, and of these the ones that are not in memory, in their order."""
        known, is_there = self._columns.editions.rows, self._columns.is_there.rows
        left = np.flatnonzero(is_there & ~np.isin(known, there)).tolist()
        new = there[~np.isin(there, known[is_there])]
        return [self._columns.facts[each].image_id for each in left], new

    def search(
        self, vector: Vectors, k: int, sought: Sought, where: CatalogFilter | None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        query = np.ascontiguousarray(vector, np.float32)
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
        places = [self._columns.regions_of(each) for each in image_ids]
        return [self._columns.image(each, self._vectors.at(each)) if len(each) else None for each in places]

    def count(self, where: CatalogFilter | None) -> int:
        """See `Catalog.count`."""
        return int(np.count_nonzero(self._columns.passing_images(where or _EVERYTHING)))

    def tags(self, where: CatalogFilter | None, limit: int) -> list[TagCount]:
        """See `Catalog.tags`."""
        passing = np.flatnonzero(self._columns.passing_images(where or _EVERYTHING)).tolist()
        counts = Counter(tag for number in passing for tag in self._columns.facts[number].tags)
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        return [TagCount(tag, images) for tag, images in ranked[:limit]]
