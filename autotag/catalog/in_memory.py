"""A catalog in this process's memory: exact, gone when the process ends. The measure the stores are held to, and the tests' stand-in."""

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from autotag.catalog.protocol import (
    Capabilities,
    CatalogHit,
    CatalogSize,
    Sought,
    TagCount,
    UpsertOutcome,
    Vectors,
)
from autotag.catalog.rules import check_images, check_search
from autotag.domain.catalog_entries import CatalogImage, CatalogObject
from autotag.domain.catalog_filters import CatalogFilter, image_passes, object_passes

_SEED = 0
_EVERYTHING = CatalogFilter()


class InMemoryCatalog:
    """A dictionary of images behind a lock."""

    def __init__(self, model_id: str, dim: int) -> None:
        """`dim` is the length of all vectors."""
        self._model_id = model_id
        self._dim = dim
        self._images: dict[str, CatalogImage] = {}
        self._lock = threading.RLock()

    @property
    def capabilities(self) -> Capabilities:
        """Exact at any size."""
        return Capabilities("in_memory", 2**31, distributed=False, ranks_words=False, max_k=10_000)

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        return self._model_id

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        """See `Catalog.upsert`."""
        check_images(images, self._dim)
        with self._lock:
            updated = 0
            for image in images:
                before = self._images.get(image.image_id)
                updated += before is not None
                self._images[image.image_id] = replace(image, added_at=before.added_at) if before else image
        return UpsertOutcome(len(images) - updated, updated, sum(len(image.objects) for image in images))

    def delete(self, image_ids: Collection[str]) -> int:
        """See `Catalog.delete`."""
        with self._lock:
            return sum(self._images.pop(each, None) is not None for each in set(image_ids))

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`."""
        with self._lock:
            return [self._images.get(each) for each in image_ids]

    def ids_in(self, folder: str) -> dict[str, datetime]:
        """See `Catalog.ids_in`."""
        with self._lock:
            return {each.image_id: each.added_at for each in self._images.values() if each.folder == folder}

    def search(
        self, vector: Vectors, k: int, sought: Sought = "any", where: CatalogFilter | None = None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        check_search(vector, k, self._dim, self.capabilities.max_k)
        found = [
            _hit(float(np.dot(embedding, vector)), image, found)
            for image, found, embedding in self._regions(sought, where or _EVERYTHING)
        ]
        return sorted(found, key=lambda hit: (-hit.score, hit.image_id, hit.region_index))[:k]

    def count(self, where: CatalogFilter | None = None) -> int:
        """See `Catalog.count`."""
        return len(self._passing(where))

    def size(self) -> CatalogSize:
        """See `Catalog.size`."""
        images = self._passing(None)
        return CatalogSize(len(images), sum(len(each.objects) for each in images), 0)

    def tags(self, where: CatalogFilter | None = None, limit: int = 1000) -> list[TagCount]:
        """See `Catalog.tags`."""
        counts = Counter(tag for image in self._passing(where) for tag in image.tags)
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        return [TagCount(tag, images) for tag, images in ranked[:limit]]

    def page(
        self, after: str = "", limit: int = 100, where: CatalogFilter | None = None
    ) -> list[CatalogImage]:
        """See `Catalog.page`."""
        later = (each for each in self._passing(where) if each.image_id > after)
        return sorted(later, key=lambda each: each.image_id)[:limit]

    def sample(self, n: int, sought: Sought = "any") -> Vectors:
        """See `Catalog.sample`."""
        vectors = [embedding for _, _, embedding in self._regions(sought, _EVERYTHING)]
        if not vectors or n < 1:
            return np.zeros((0, self._dim), np.float32)
        drawn = np.random.default_rng(_SEED).permutation(len(vectors))[:n]
        return np.stack([vectors[place] for place in drawn])

    def warm_up(self) -> None:
        """Nothing to do."""

    def optimise(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _passing(self, where: CatalogFilter | None) -> list[CatalogImage]:
        with self._lock:
            images = sorted(self._images.values(), key=lambda each: each.image_id)
        return [each for each in images if image_passes(each, where or _EVERYTHING)]

    def _regions(
        self, sought: Sought, where: CatalogFilter
    ) -> Iterator[tuple[CatalogImage, CatalogObject | None, Vectors]]:
        """Regions that pass: the image, the object or None for the whole image, and the vector."""
        for image in self._passing(where):
            if sought in ("image", "any"):
                yield image, None, image.embedding
            if sought in ("object", "any"):
                for each in image.objects:
                    if sought == "any" or object_passes(image, each, where):
                        yield image, each, each.embedding


def _hit(score: float, image: CatalogImage, found: CatalogObject | None) -> CatalogHit:
    return CatalogHit(
        *image.facts(),
        score=score,
        region_index=found.region_index if found else 0,
        box_xyxy_px=found.box_xyxy_px if found else (0, 0, image.width, image.height),
        class_name=found.class_name if found else "",
        confidence=found.confidence if found else 1.0,
    )
