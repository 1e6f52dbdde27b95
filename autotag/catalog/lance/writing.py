"""What changes the table. Each is one commit, and tells what it changed."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autotag.catalog.lance.columns import REGION_ID, stamp_of
from autotag.catalog.lance.predicates import is_one_of
from autotag.catalog.lance.reading import Standing, standing
from autotag.catalog.lance.rows import drawn_edition, to_table
from autotag.catalog.resident.followed_store import Change
from autotag.domain.catalog_entries import CatalogImage

if TYPE_CHECKING:
    from lancedb.table import LanceTable


def write_images(
    table: "LanceTable", images: Sequence[CatalogImage], model_id: str, dim: int, *, alone: bool
) -> tuple[int, Change]:
    """Write images whole; how many of them were there before, and what changed.

    Args:
        table: all regions.
        images: each id once.
        model_id: of the table.
        dim: of its vectors.
        alone: nobody else can be writing.
    """
    table.checkout_latest()
    own = is_one_of("image_id", [image.image_id for image in images])
    known = standing(table, own)
    ready = [
        replace(image, added_at=known[image.image_id].added_at) if image.image_id in known else image
        for image in images
    ]
    merge = table.merge_insert(REGION_ID).when_matched_update_all().when_not_matched_insert_all()
    if not alone or any(_loses_objects(image, known) for image in images):
        # Reads all ids: seconds in a large catalog.
        merge = merge.when_not_matched_by_source_delete(own)
    editions = [drawn_edition() for _ in ready]
    done = merge.execute(to_table(ready, editions, model_id, dim))
    return len(known), Change(done.version, editions, ready, stamp=stamp_of(table.schema))


def delete_images(table: "LanceTable", image_ids: Collection[str]) -> Change | None:
    """Take images out; None where none of them was there, and nothing changed."""
    table.checkout_latest()
    own = is_one_of("image_id", set(image_ids))
    known = standing(table, own)
    if not known:
        return None
    return Change(table.delete(own).version, gone=list(known), stamp=stamp_of(table.schema))


def _loses_objects(image: CatalogImage, known: dict[str, Standing]) -> bool:
    before = known.get(image.image_id)
    return before is not None and not before.regions <= {0, *(each.region_index for each in image.objects)}
