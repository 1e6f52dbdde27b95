"""Images of the source on a contact sheet: the detector's boxes under its own names, the tags the archive recorded."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from autotag.domain.identity import media_id
from autotag.domain.regions import Region
from autotag.errors import BadShardError, RejectedImageError
from autotag.pipeline.contact_sheet import (
    SheetBox,
    SheetItem,
    SheetTag,
    evenly_spread,
    spread_over,
    thumbnail,
)
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.region_rows import REGION_COLUMNS, regions_by_image
from autotag.storage.images import decode_image
from autotag.storage.shards import read_member
from autotag.storage.tables import read_table

SOURCE_NOTE = (
    "The boxes and the names on them are the detector's: regions that were embedded."
    " The tags below the pictures are the archive's own."
)


def source_sheet_items(plan: PipelinePlan, shards: Sequence[str], limit: int) -> list[SheetItem]:
    """Embedded images of the source with the tags the archive recorded, shard after shard in tar order.

    Pixels are cut from the tars by byte range; the tars are not read through. An image that the limits refuse by now
    is left out.

    Args:
        plan: where things are, and the limits on images.
        shards: names; where there are more of them than items, an even choice of them is opened.
        limit: most items; 0 gives none.

    Raises:
        MissingInputError: a chosen shard has no tables.
        BadShardError: a chosen tar is gone, or no longer the one that was processed.
    """
    opened = [shards[index] for index in evenly_spread(len(shards), limit)]
    items: list[SheetItem] = []
    for place, shard in enumerate(opened):
        share = limit * (place + 1) // len(opened) - limit * place // len(opened)
        items += _shard_items(plan, shard, share)
    return items


def _shard_items(plan: PipelinePlan, shard: str, limit: int) -> list[SheetItem]:
    tables = plan.layout.source(plan.model_id)
    regions = read_table(
        tables.embeddings(shard), ["media_id", *REGION_COLUMNS], made_by=f"source_embeddings of {shard}"
    )
    columns = ["media_id", "key", "offset_bytes", "size_bytes", "tags"]
    images = read_table(tables.images(shard), columns, made_by=f"source_images of {shard}")
    images = _rows_of(images, "media_id", regions["media_id"].unique().to_pylist())
    is_tagged = [bool(tags) for tags in images["tags"].to_pylist()]
    chosen = images.take(pa.array(spread_over(is_tagged, limit), pa.int64())).to_pylist()
    found = regions_by_image(_rows_of(regions, "media_id", [row["media_id"] for row in chosen]), "media_id")
    items = (_source_item(plan, shard, row, found[row["media_id"]]) for row in chosen)
    return [item for item in items if item is not None]


def _source_item(
    plan: PipelinePlan, shard: str, row: dict[str, Any], regions: Sequence[Region]
) -> SheetItem | None:
    data = read_member(plan.layout.shard(shard), row["offset_bytes"], row["size_bytes"])
    if media_id(data) != row["media_id"]:
        raise BadShardError(
            f"{plan.layout.shard(shard)}: {row['key']} is not the image that was processed: the file was"
            " changed; process this shard anew"
        )
    try:
        pixels = decode_image(data, plan.limits).pixels
    except RejectedImageError:
        return None
    objects = [region for region in regions if region.kind == "object"]
    small, places = thumbnail(pixels, [region.box_xyxy_px for region in objects])
    boxes = tuple(SheetBox(region.class_name, place) for region, place in zip(objects, places, strict=True))
    return SheetItem(f"{shard}/{row['key']}", small, boxes, tuple(SheetTag(tag) for tag in row["tags"]))


def _rows_of(table: pa.Table, column: str, values: list[str]) -> pa.Table:
    return table.filter(pc.field(column).isin(pa.array(values, pa.string())))
