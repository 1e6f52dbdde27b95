"""The catalog over a LanceDB table."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from upath import UPath

from autotag.catalog.lance.columns import REGION_ID
from autotag.catalog.lance.failures import until_nobody_was_faster
from autotag.catalog.lance.followed_regions import FollowedRegions
from autotag.catalog.lance.nearest import nearest_rows
from autotag.catalog.lance.predicates import is_one_of, matching
from autotag.catalog.lance.reading import (
    Standing,
    added_at,
    counted_tags,
    page_of,
    rows_of_images,
    sampled,
    standing,
)
from autotag.catalog.lance.regions_table import FRESHNESS, RegionsTable
from autotag.catalog.lance.rows import drawn_edition, to_hits, to_images, to_table, vectors_of
from autotag.catalog.lance.upkeep import index_rows, tidy
from autotag.catalog.lance.write_lock import WriteLock
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
from autotag.catalog.resident.resident_regions import ResidentRegions, memory_mb_of
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
            memory_mb: most that `warm_up` holds in memory; it leaves a larger catalog on disk.
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
        self._regions = RegionsTable(root, model_id, dim)
        self._lock = WriteLock(root)
        if create:
            self._regions.make()
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
        """Write images; how many of them were there before, and what changed."""
        own = is_one_of("image_id", [image.image_id for image in images])
        with self._regions.answering() as table:
            table.checkout_latest()
            known = standing(table, own)
            ready = [
                replace(image, added_at=known[image.image_id].added_at) if image.image_id in known else image
                for image in images
            ]
            merge = table.merge_insert(REGION_ID).when_matched_update_all().when_not_matched_insert_all()
            if not alone or any(_loses_objects(image, known) for image in images):
                merge = merge.when_not_matched_by_source_delete(
                    own
                )  # reads all ids: seconds in a large catalog
            editions = [drawn_edition() for _ in ready]
            done = merge.execute(to_table(ready, editions, self._regions.model_id, self._regions.dim))
        return len(known), Change(done.version, editions, ready)

    def delete(self, image_ids: Collection[str]) -> int:
        """See `Catalog.delete`."""
        if not image_ids:
            return 0
        with self._lock.held():
            written = until_nobody_was_faster(lambda: self._delete(is_one_of("image_id", set(image_ids))))
        self._take_in(written)
        return len(written.gone)

    def _delete(self, own: str) -> Change:
        with self._regions.answering() as table:
            table.checkout_latest()
            known = standing(table, own)
            version = table.delete(own).version if known else table.version
        return Change(version, gone=list(known))

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`."""
        if not image_ids:
            return []
        if resident := self._resident:
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
        if resident := self._resident:
            return resident.search(vector, k, sought, where)
        narrows = where is not None and where != _EVERYTHING
        with self._regions.answering() as table:
            found = nearest_rows(table, vector, k, matching(where, sought), narrows=narrows)
        return to_hits(found)[:k]

    def count(self, where: CatalogFilter | None = None) -> int:
        """See `Catalog.count`."""
        if resident := self._resident:
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
        if resident := self._resident:
            return resident.tags(where, limit)
        with self._regions.answering() as table:
            return counted_tags(table, matching(where, "image"))[:limit]

    def page(
        self, after: str = "", limit: int = 100, where: CatalogFilter | None = None
    ) -> list[CatalogImage]:
        """See `Catalog.page`."""
        with self._regions.answering() as table:
            return to_images(page_of(table, after, limit, matching(where, "image")))

    def sample(self, n: int, sought: Sought = "any") -> Vectors:
        """See `Catalog.sample`."""
        with self._regions.answering() as table:
            return vectors_of(sampled(table, n, matching(None, sought)))

    def warm_up(self) -> None:
        """See `Catalog.warm_up`."""
        if self._resident is None and self._fits():
            store = FollowedRegions(self._root, self._regions.model_id, self._regions.dim)
            self._resident = ResidentRegions(store, self._regions.dim, FRESHNESS.total_seconds())

    def optimise(self) -> None:
        """See `Catalog.optimise`."""
        until_nobody_was_faster(self._tidy)
        if self._resident is not None and not self._fits():
            self._resident = None

    def _tidy(self) -> None:
        with self._regions.answering() as table:
            tidy(table, self._index_from)

    def _fits(self) -> bool:
        with self._regions.answering() as table:
            return memory_mb_of(table.count_rows(), self._regions.dim) <= self._memory_mb

    def _take_in(self, written: Change) -> None:
        """What is written is written: where the store does not answer now, the next search looks again."""
        if resident := self._resident:
            with suppress(CatalogUnavailableError):
                resident.take_in(written)

    def close(self) -> None:
        """See `Catalog.close`."""
        self._resident = None
        self._regions.close()


def _loses_objects(image: CatalogImage, known: dict[str, Standing]) -> bool:
    before = known.get(image.image_id)
    return before is not None and not before.regions <= {0, *(each.region_index for each in image.objects)}
