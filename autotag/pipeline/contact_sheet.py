"""What goes on a contact sheet: which images of a folder or of the source, their thumbnails, boxes and tags.

Which images is settled by their order alone: evenly spread, tagged and untagged ones in proportion. How a sheet
looks is left to `contact_sheet_tiles` (one JPEG) and `contact_sheet_page` (an HTML page).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from autotag.domain.identity import media_id
from autotag.domain.regions import Region, RgbImage
from autotag.errors import BadShardError, RejectedImageError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import TaggedImage, read_folder_tags
from autotag.pipeline.region_rows import REGION_COLUMNS, regions_by_image
from autotag.storage.folder_files import read_file
from autotag.storage.images import decode_image
from autotag.storage.shards import read_member
from autotag.storage.tables import read_table

THUMBNAIL_PX = 480
"""Long edge of a thumbnail; enough for a page's tile on a screen with two pixels a point."""


@dataclass(frozen=True, slots=True)
class SheetBox:
    """A region on a thumbnail.

    Attributes:
        label: the detector's word; empty where it has none.
        box_xyxy_px: in pixels of the thumbnail, x1 and y1 exclusive.
    """

    label: str
    box_xyxy_px: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class SheetTag:
    """A tag; score in [0, 1] and votes are None where the archive recorded the tag itself."""

    tag: str
    score: float | None = None
    votes: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SheetItem:
    """One image of a sheet.

    Attributes:
        title: file name, or shard and key.
        pixels: thumbnail, uint8 (height, width, 3), RGB, long edge at most `THUMBNAIL_PX`; never enlarged.
        boxes: the objects; the whole image has none.
        tags: in the order they are shown.
        reason: why there are no tags; may be empty.
    """

    title: str
    pixels: RgbImage
    boxes: tuple[SheetBox, ...]
    tags: tuple[SheetTag, ...]
    reason: str = ""


def folder_sheet_items(plan: PipelinePlan, key: str, limit: int) -> list[SheetItem]:
    """Images of a tagged folder, by file.

    A file that is gone, cannot be decoded any more, or is no longer the one the boxes were found in, is left out.

    Args:
        plan: where things are, and the limits on images.
        key: the folder.
        limit: most items; 0 gives none.

    Raises:
        MissingInputError: no tags, no regions, or the folder itself is gone.
        BadTagsError: tags.json is not one.
    """
    images = sorted(read_folder_tags(plan, key).images, key=lambda image: image.file)
    chosen = [images[index] for index in spread_over([bool(image.tags) for image in images], limit)]
    path = plan.layout.folder_tables(key).regions
    table = read_table(path, ["file", "media_id", *REGION_COLUMNS], made_by=f"target_crops of {key}")
    table = _rows_of(table, "file", [image.file for image in chosen])
    regions = regions_by_image(table, "file")
    media = dict(zip(table["file"].to_pylist(), table["media_id"].to_pylist(), strict=True))
    items = (
        _folder_item(plan, key, image, media.get(image.file), regions.get(image.file, [])) for image in chosen
    )
    return [item for item in items if item is not None]


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


def evenly_spread(length: int, limit: int) -> list[int]:
    """At most `limit` indices below `length`, ascending, each from the middle of its equal part."""
    count = max(0, min(length, limit))
    return [(2 * place + 1) * length // (2 * count) for place in range(count)]


def spread_over(is_tagged: Sequence[bool], limit: int) -> list[int]:
    """At most `limit` indices, ascending: tagged and untagged ones in proportion, each kind evenly spread.

    Of a kind that exists at least one is chosen, if `limit` is 2 or more.
    """
    tagged = [index for index, value in enumerate(is_tagged) if value]
    untagged = [index for index, value in enumerate(is_tagged) if not value]
    count = max(0, min(len(is_tagged), limit))
    share = round(count * len(untagged) / len(is_tagged)) if is_tagged else 0
    if count >= 2:
        share = min(max(share, 1 if untagged else 0), count - 1 if tagged else count)
    chosen = [untagged[index] for index in evenly_spread(len(untagged), share)]
    chosen += [tagged[index] for index in evenly_spread(len(tagged), count - share)]
    return sorted(chosen)


def _folder_item(
    plan: PipelinePlan, key: str, image: TaggedImage, media: str | None, regions: list[Region]
) -> SheetItem | None:
    try:
        data = read_file(plan.layout.folder(key), image.file)
        if media is not None and media_id(data) != media:
            return None
        pixels = decode_image(data, plan.limits).pixels
    except RejectedImageError:
        return None
    tags = tuple(SheetTag(each.tag, each.score, each.votes) for each in image.tags)
    thumbnail, boxes = _shrunk(pixels, regions)
    return SheetItem(image.file, thumbnail, boxes, tags, image.reason)


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
    thumbnail, boxes = _shrunk(pixels, regions)
    return SheetItem(f"{shard}/{row['key']}", thumbnail, boxes, tuple(SheetTag(tag) for tag in row["tags"]))


def _rows_of(table: pa.Table, column: str, values: list[str]) -> pa.Table:
    return table.filter(pc.field(column).isin(pa.array(values, pa.string())))


def _shrunk(pixels: RgbImage, regions: Sequence[Region]) -> tuple[RgbImage, tuple[SheetBox, ...]]:
    """The thumbnail, and the objects' boxes in its pixels, each at least one pixel large."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    across, down = picture.width / pixels.shape[1], picture.height / pixels.shape[0]
    boxes: list[SheetBox] = []
    for region in regions:
        if region.kind == "object":
            x0, y0, x1, y1 = region.box_xyxy_px
            left, top = min(round(x0 * across), picture.width - 1), min(round(y0 * down), picture.height - 1)
            right, bottom = max(round(x1 * across), left + 1), max(round(y1 * down), top + 1)
            boxes.append(SheetBox(region.class_name, (left, top, right, bottom)))
    return np.asarray(picture), tuple(boxes)
