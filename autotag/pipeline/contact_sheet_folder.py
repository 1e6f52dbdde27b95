"""Images of a tagged folder on a contact sheet, with the regions that earned their tags and who voted for them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from autotag.domain.identity import folder_path, media_id
from autotag.errors import BadTagsError, RejectedImageError
from autotag.pipeline.contact_sheet import (
    SheetBox,
    SheetEarning,
    SheetItem,
    SheetTag,
    SheetVoter,
    spread_over,
    thumbnail,
)
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import GivenTag, TaggedImage, read_folder_tags
from autotag.storage.folder_files import read_file
from autotag.storage.images import decode_image
from autotag.storage.tables import iter_batches, read_table

EARNED_SHARE = 0.25
"""A region earned a tag if it brought this part of its score, or more than any other region did."""

STRONGEST_VOTERS = 3

_VOTE_COLUMNS = [
    "file",
    "tag",
    "region_index",
    "box_xyxy_px",
    "source_shard",
    "source_key",
    "similarity",
    "share",
]
_BATCH_ROWS = 65_536

_Votes = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""Rows of evidence.parquet by file and tag."""


@dataclass(frozen=True, slots=True)
class SheetReject:
    """A file of the folder that is no usable image, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class FolderSheet:
    """A folder's contact sheet.

    Attributes:
        items: the images shown, by file.
        images: how many images tags.json has.
        rejects: the files that are not among them, by file.
    """

    items: tuple[SheetItem, ...]
    images: int
    rejects: tuple[SheetReject, ...]

    @property
    def note(self) -> str:
        """What a reader of the picture has to know, in a line or two."""
        shown = f"{len(self.items)} of {self.images} images; all tags are in tags.json."
        rejected = f" {len(self.rejects)} more could not be used." if self.rejects else ""
        return (
            shown
            + rejected
            + " A box bears the tags it earned; tags without its colour come from the whole image."
        )


def read_folder_sheet(plan: PipelinePlan, key: str, limit: int) -> FolderSheet:
    """Images of a tagged folder.

    A file that is gone, cannot be decoded any more, or is no longer the one the boxes were found in, is left out.

    Args:
        plan: where things are, and the limits on images.
        key: the folder.
        limit: most items; 0 gives none.

    Raises:
        MissingInputError: no tags, no evidence, no regions, or the folder itself is gone.
        BadTagsError: tags.json is not one, or has tags without evidence.
    """
    images = sorted(read_folder_tags(plan, key).images, key=lambda image: image.file)
    chosen = [images[index] for index in spread_over([bool(image.tags) for image in images], limit)]
    files = pa.array([image.file for image in chosen], pa.string())
    votes = _votes_on(plan, key, files)
    media = _media_of(plan, key, files)
    items = (_item(plan, key, image, media.get(image.file), votes) for image in chosen)
    return FolderSheet(tuple(item for item in items if item is not None), len(images), _rejects(plan, key))


def _votes_on(plan: PipelinePlan, key: str, files: pa.StringArray) -> _Votes:
    votes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for batch in iter_batches(plan.layout.folder_tables(key).evidence, _VOTE_COLUMNS, _BATCH_ROWS):
        for row in pa.Table.from_batches([batch]).filter(pc.field("file").isin(files)).to_pylist():
            votes.setdefault((row["file"], row["tag"]), []).append(row)
    return votes


def _media_of(plan: PipelinePlan, key: str, files: pa.StringArray) -> dict[str, str]:
    """The media id that each file had when its regions were found."""
    path = plan.layout.folder_tables(key).regions
    table = read_table(path, ["file", "media_id"], made_by=f"target_crops of {key}")
    table = table.filter(pc.field("file").isin(files))
    return dict(zip(table["file"].to_pylist(), table["media_id"].to_pylist(), strict=True))


def _rejects(plan: PipelinePlan, key: str) -> tuple[SheetReject, ...]:
    tables = plan.layout.folder_tables(key)
    made_by = {
        tables.rejects: "target_images",
        tables.region_rejects: "target_crops",
        tables.embedding_rejects: "target_embeddings",
    }
    rows: list[dict[str, str]] = []
    for path, asset in made_by.items():
        rows += read_table(path, ["key", "reason"], made_by=f"{asset} of {key}").to_pylist()
    return tuple(SheetReject(row["key"], row["reason"]) for row in sorted(rows, key=lambda row: row["key"]))


def _item(
    plan: PipelinePlan, key: str, image: TaggedImage, media: str | None, votes: _Votes
) -> SheetItem | None:
    try:
        data = read_file(plan.layout.folder(key), image.file)
        if media is not None and media_id(data) != media:
            return None
        pixels = decode_image(data, plan.limits).pixels
    except RejectedImageError:
        return None
    by_tag = {given.tag: _votes_for(plan, key, image, given, votes) for given in image.tags}
    earned = {tag: _earned_by(rows) for tag, rows in by_tag.items()}
    boxes = {row["region_index"]: tuple(row["box_xyxy_px"]) for rows in by_tag.values() for row in rows}
    drawn = sorted({region for regions in earned.values() for region in regions if region})
    small, places = thumbnail(pixels, [boxes[region] for region in drawn])
    labels = [_label([tag for tag, regions in earned.items() if region in regions]) for region in drawn]
    tags = [
        SheetTag(
            given.tag,
            given.score,
            given.votes,
            earned_by=tuple(
                SheetEarning(drawn.index(region) if region else None, boxes[region], share)
                for region, share in earned[given.tag].items()
            ),
            voters=_strongest(by_tag[given.tag]),
        )
        for given in image.tags
    ]
    return SheetItem(image.file, small, tuple(map(SheetBox, labels, places)), tuple(tags), image.reason)


def _votes_for(
    plan: PipelinePlan, key: str, image: TaggedImage, given: GivenTag, votes: _Votes
) -> Sequence[Mapping[str, Any]]:
    try:
        return votes[image.file, given.tag]
    except KeyError as error:
        raise BadTagsError(
            f"{plan.layout.folder_tables(key).evidence} has no votes for {given.tag!r} of {image.file!r};"
            f" run `autotag tag-target --folder {shlex.quote(folder_path(key))}` to write it again"
        ) from error


def _earned_by(rows: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """The regions, 0 for the whole image, that earned a tag, and their parts of its score; by falling part."""
    shares: dict[int, float] = {}
    for row in rows:
        shares[row["region_index"]] = shares.get(row["region_index"], 0.0) + row["share"]
    ranked = sorted(shares.items(), key=lambda each: (-each[1], each[0]))
    return {
        region: share for place, (region, share) in enumerate(ranked) if not place or share >= EARNED_SHARE
    }


def _label(tags: Sequence[str]) -> str:
    return ", ".join(tags[:2]) + (f" +{len(tags) - 2}" if len(tags) > 2 else "")


def _strongest(rows: Sequence[Mapping[str, Any]]) -> tuple[SheetVoter, ...]:
    ranked = sorted(rows, key=lambda row: -row["share"])[:STRONGEST_VOTERS]
    return tuple(
        SheetVoter(f"{row['source_shard']}/{row['source_key']}", row["similarity"], row["share"])
        for row in ranked
    )
