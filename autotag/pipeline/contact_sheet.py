"""What goes on a contact sheet: pictures with boxes and tags, and which images of many are shown.

Which images is settled by their order alone: evenly spread, tagged and untagged ones in proportion. Where they come
from is told in `contact_sheet_folder` and `contact_sheet_source`; how a sheet looks is left to `contact_sheet_tiles`
(one JPEG) and `contact_sheet_page` (an HTML page).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from autotag.domain.regions import RgbImage

THUMBNAIL_PX = 480
"""Long edge of a thumbnail; enough for a page's tile on a screen with two pixels a point."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class SheetBox:
    """A region on a thumbnail.

    Attributes:
        label: the tags it earned, or on a sheet of the source the detector's word; may be empty.
        box_xyxy_px: in pixels of the thumbnail, x1 and y1 exclusive.
    """

    label: str
    box_xyxy_px: Box


@dataclass(frozen=True, slots=True)
class SheetEarning:
    """A region that earned a tag.

    Attributes:
        box: its place among the item's boxes; None for the whole image.
        box_xyxy_px: in pixels of the image, not of its thumbnail; x1 and y1 exclusive.
        share: part of the tag's score that it brought, in [0, 1].
    """

    box: int | None
    box_xyxy_px: Box
    share: float


@dataclass(frozen=True, slots=True)
class SheetVoter:
    """An archive image, `shard/key`, that spoke for a tag: how alike, and its part of the tag's score in [0, 1]."""

    name: str
    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class SheetTag:
    """A tag of an item.

    Attributes:
        tag: its name.
        score: in [0, 1]; None where the archive recorded the tag itself, as are votes.
        votes: archive images that voted for it.
        earned_by: by falling share; none for a recorded tag.
        voters: the strongest, by falling share.
    """

    tag: str
    score: float | None = None
    votes: int | None = None
    earned_by: tuple[SheetEarning, ...] = ()
    voters: tuple[SheetVoter, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SheetItem:
    """One image of a sheet.

    Attributes:
        title: file name, or shard and key.
        pixels: thumbnail, uint8 (height, width, 3), RGB, long edge at most `THUMBNAIL_PX`; never enlarged.
        boxes: objects; the whole image has none.
        tags: in the order they are shown.
        reason: why there are no tags; may be empty.
    """

    title: str
    pixels: RgbImage
    boxes: tuple[SheetBox, ...]
    tags: tuple[SheetTag, ...]
    reason: str = ""


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


def thumbnail(pixels: RgbImage, boxes_xyxy_px: Sequence[Box]) -> tuple[RgbImage, list[Box]]:
    """The thumbnail of an image, and the boxes in its pixels, in order, each at least one pixel large."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    across, down = picture.width / pixels.shape[1], picture.height / pixels.shape[0]
    boxes: list[Box] = []
    for x0, y0, x1, y1 in boxes_xyxy_px:
        left, top = min(round(x0 * across), picture.width - 1), min(round(y0 * down), picture.height - 1)
        right, bottom = max(round(x1 * across), left + 1), max(round(y1 * down), top + 1)
        boxes.append((left, top, right, bottom))
    return np.asarray(picture), boxes
