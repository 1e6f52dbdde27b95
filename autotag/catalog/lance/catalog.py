"""The catalog over a LanceDB table."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime

from upath import UPath

from autotag.catalog.lance.caches import index_cache_mb
from autotag.catalog.lance.failures import until_nobody_was_faster
from autotag.catalog.lance.followed_regions import FollowedRegions
from autotag.catalog.lance.nearest import nearest_rows
from autotag.catalog.lance.predicates import is_one_of, matching
from autotag.catalog.lance.reading import added_at, counted_tags, page_of, rows_of_images, sampled
from autotag.catalog.lance.regions_table import FRESHNESS, RegionsTable
from autotag.catalog.lance.rows import to_hits, to_images, vectors_of
from autotag.catalog.lance.upkeep import index_rows, tidy
from autotag.catalog.lance.write_lock import WriteLock
from autotag.catalog.lance.writing import delete_images, write_images
from autotag.catalog.protocol import (
    Capabilities,
    CatalogHit,
    CatalogSize,
    Sought,
    TagCount,
    UpsertOutcome,
    Vectors,
)
from autotag.catalog.resident.followed_store import Change
from autotag.catalog.resident.resident_regions import ResidentRegions
from autotag.catalog.rules import check_images, check_search
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import CatalogUnavailableError

MAX_K = 10_000
_EVERYTHING = CatalogFilter()


class LanceCatalog:
    """Images and objects in one table; an upsert is one commit. After `warm_up`, memory answers and the table is followed."""

    def __init__(
        self,
        root: UPath,
        model_id: str,
        dim: int,
        index_from: int,
        *,
        memory_mb: int = 0,
        create: bool = True,
    ) -> None:
        """Open the catalog, or make it.

        Args:
            root: its directory.
            model_id: of all vectors.
            dim: their length.
            index_from: regions from which `optimise` builds indices.
            memory_mb: most that is held in memory after `warm_up`; a larger catalog, or one that grows larger, is searched on disk.
            create: make it where there is none.

        Raises:
            MissingInputError: there is none, and none is to be made.
            ModelMismatchError: it is another model's.
            CatalogUnavailableError: the place does not answer.
        """
        self._root = root
        self._index_from = index_from
        self._memory_mb = memory_mb
        self._resident: ResidentRegions | None = None
        self._cache_mb = index_cache_mb(memory_mb)
        self._regions = RegionsTable(root, model_id, dim, cache_mb=self._cache_mb)
        self._lock = WriteLock(root)
        if create:
            self._regions.make(self._lock.held)
        else:
            self._regions.open()

    @property
    def capabilities(self) -> Capabilities:
        """Exact until the index is built."""
        return Capabilities("lancedb", self._index_from, distributed=False, ranks_words=False, max_k=MAX_K)

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        return self._regions.model_id

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        """See `Catalog.upsert`. All images are written in one commit."""
        check_images(images, self._regions.dim)
        if not images:
            return UpsertOutcome(0, 0, 0)
        with self._lock.held() as alone:
            known, written = until_nobody_was_faster(lambda: self._write(images, alone=alone))
        self._take_in(written)
        objects = sum(len(image.objects) for image in images)
        return UpsertOutcome(len(images) - known, known, objects)

    def _write(self, images: Sequence[CatalogImage], *, alone: bool) -> tuple[int, Change]:
        with self._regions.answering() as table:
            return write_images(table, images, self._regions.model_id, self._regions.dim, alone=alone)

    def delete(self, image_ids: Collection[str]) -> int:
        """See `Catalog.delete`."""
        if not image_ids:
            return 0
        with self._lock.held():
            written = until_nobody_was_faster(lambda: self._delete(image_ids))
        if written is None:
            return 0
        self._take_in(written)
        return len(written.gone)

    def _delete(self, image_ids: Collection[str]) -> Change | None:
        with self._regions.answering() as table:
            return delete_images(table, image_ids)

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`."""
        if not image_ids:
            return []
        if resident := self._in_memory():
            return resident.get(image_ids)
        with self._regions.answering() as table:
            found = {image.image_id: image for image in to_images(rows_of_images(table, image_ids))}
        return [found.get(each) for each in image_ids]

    def ids_in(self, folder: str) -> dict[str, datetime]:
        """See `Catalog.ids_in`."""
        with self._regions.answering() as table:
            table.checkout_latest()  # who tends a folder must not miss what another process just wrote
            return added_at(table, is_one_of("folder", [folder]))

    def search(
        self, vector: Vectors, k: int, sought: Sought = "any", where: CatalogFilter | None = None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        check_search(vector, k, self._regions.dim, MAX_K)
        if resident := self._in_memory():
            return resident.search(vector, k, sought, where)
        narrows = where is not None and where != _EVERYTHING
        with self._regions.answering() as table:
            found = nearest_rows(table, vector, k, matching(where, sought), narrows=narrows)
        return to_hits(found)[:k]

    def count(self, where: CatalogFilter | None = None) -> int:
        """See `Catalog.count`."""
        if resident := self._in_memory():
            return resident.count(where)
        with self._regions.answering() as table:
            return table.count_rows(matching(where, "image"))

    def size(self) -> CatalogSize:
        """See `Catalog.size`."""
        with self._regions.answering() as table:
            images, objects = (table.count_rows(matching(None, kind)) for kind in ("image", "object"))
            return CatalogSize(images, objects, index_rows(table))

    def tags(self, where: CatalogFilter | None = None, limit: int = 1000) -> list[TagCount]:
        """See `Catalog.tags`."""
        if resident := self._in_memory():
            return resident.tags(where, limit)
        with self._regions.answering() as table:
            return counted_tags(table, matching(where, "image"))[:limit]

    def page(
        self, after: str = "", limit: int = 100, where: CatalogFilter | None = None
    ) -> list[CatalogImage]:
        """See `Catalog.page`."""
        if limit < 1:  # which LanceDB takes for no limit
            return []
        with self._regions.answering() as table:
            return to_images(page_of(table, after, limit, matching(where, "image")))

    def sample(self, n: int, sought: Sought = "any") -> Vectors:
        """See `Catalog.sample`."""
        with self._regions.answering() as table:
            return vectors_of(sampled(table, n, matching(None, sought)))

    def warm_up(self) -> None:
        """See `Catalog.warm_up`."""
        if self._resident is None and self._memory_mb:
            store = FollowedRegions(self._root, self._regions.model_id, self._regions.dim, self._cache_mb)
            fresh_for_s = FRESHNESS.total_seconds()
            self._resident = ResidentRegions(store, self._regions.dim, fresh_for_s, self._memory_mb)
            self._in_memory()

    def optimise(self) -> None:
        """See `Catalog.optimise`."""
        until_nobody_was_faster(self._tidy)

    def _tidy(self) -> None:
        with self._regions.answering() as table:
            tidy(table, self._index_from)

    def _in_memory(self) -> ResidentRegions | None:
        """What answers from memory; None where the catalog does not fit there, or does not any more."""
        resident = self._resident
        if resident is not None and resident.has_outgrown():
            self._let_go()
            return None
        return resident

    def _let_go(self) -> None:
        resident, self._resident = self._resident, None
        if resident is not None:
            resident.close()

    def _take_in(self, written: Change) -> None:
        """What is written is written: where the store does not answer now, the next search looks again."""
        if resident := self._resident:
            with suppress(CatalogUnavailableError):
                resident.take_in(written)

    def close(self) -> None:
        """See `Catalog.close`."""
        self._let_go()
        self._regions.close()
