"""The evidence for an image's tags as an HTML page that stands alone: the boxes that earned them, and pictures of who voted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upath import UPath

from autotag.domain.regions import RgbImage
from autotag.errors import AutotagError, RejectedImageError
from autotag.pipeline.contact_sheet_type import printable
from autotag.pipeline.html_pages import html_template, jpeg_uri
from autotag.review.evidence import EarningRegion, SourceVote, TagEvidence
from autotag.review.source_pictures import SourcePictures, SourceRegion, small_jpeg
from autotag.storage.folder_files import read_file
from autotag.storage.images import ImageLimits, decode_image
from autotag.storage.tables import write_text

_TEMPLATE = "evidence_page.html.jinja2"
_PICTURE_PX = 840
_VOTER_PX = 300


@dataclass(frozen=True, slots=True)
class TaggedFile:
    """The image whose tags are explained.

    Attributes:
        folder: where it lies.
        name: of the file.
        media_id: that the evidence is about.
    """

    folder: UPath
    name: str
    media_id: str


def write_evidence_page(
    path: UPath,
    file: TaggedFile,
    evidence: Sequence[TagEvidence],
    pictures: SourcePictures,
    limits: ImageLimits,
) -> None:
    """Write the page, whole or not at all. A picture that cannot be shown is told with its reason.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    pixels, reason = _pixels(file, limits)
    told = "tag" if len(evidence) == 1 else "tags"
    page = html_template(_TEMPLATE).render(
        title=printable(file.name),
        lead=f"{len(evidence)} {told}, in {printable(str(file.folder))}",
        tags=[_tag(each, pixels, reason, pictures) for each in evidence],
    )
    write_text(path, page)


def region_words(region: EarningRegion) -> str:
    """A region for people: what it is, and its part of the score."""
    place = "the whole image" if region.region_index == 0 else f"the box {list(region.box_xyxy_px)}"
    return place if round(region.share, 2) >= 1 else f"{place} ({region.share:.0%})"


def _tag(
    evidence: TagEvidence, pixels: RgbImage | None, reason: str, pictures: SourcePictures
) -> dict[str, Any]:
    word = "votes of the archive" if evidence.source == "vote" else "likeness to the label itself"
    earned = " and ".join(map(region_words, evidence.regions))
    objects = [region for region in evidence.regions if region.region_index]
    return {
        "name": printable(evidence.tag),
        "why": f"score {evidence.score:.3f} by {word}; earned by {earned}",
        "picture": "" if pixels is None else jpeg_uri(small_jpeg(pixels, _PICTURE_PX)),
        "reason": printable(reason),
        "boxes": [] if pixels is None else [_percent(each, pixels) for each in objects],
        "votes": [_voter(vote, evidence.model_id, pictures) for vote in evidence.votes],
    }


def _voter(vote: SourceVote, model_id: str, pictures: SourcePictures) -> dict[str, Any]:
    region = SourceRegion(vote.shard, vote.key, vote.media_id, vote.box_xyxy_px)
    picture = pictures.picture(model_id, region, _VOTER_PX)
    return {
        "picture": jpeg_uri(picture.jpeg) if picture.jpeg else "",
        "reason": printable(picture.reason),
        "percent": round(100 * min(1.0, max(0.0, vote.share)), 1),
        "name": printable(f"{vote.shard}/{vote.key}"),
        "figures": f"share {vote.share:.2f} · similarity {vote.similarity:.2f}",
    }


def _percent(region: EarningRegion, pixels: RgbImage) -> tuple[float, ...]:
    """Left, top, width and height in percent of the picture."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = region.box_xyxy_px
    edges = (x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height)
    return tuple(round(100 * edge, 2) for edge in edges)


def _pixels(file: TaggedFile, limits: ImageLimits) -> tuple[RgbImage | None, str]:
    """The image, or why it cannot be shown."""
    try:
        return decode_image(read_file(file.folder, file.name, file.media_id), limits).pixels, ""
    except RejectedImageError as error:
        return None, f"The image cannot be shown: {error.reason}"
    except AutotagError as error:
        return None, str(error)
