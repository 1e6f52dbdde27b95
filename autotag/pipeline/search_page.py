"""What a search found, as an HTML page that stands alone: pictures with the boxes that match, without script or network."""

from collections.abc import Callable
from shlex import quote
from typing import Any

from upath import UPath

from autotag.catalog.protocol import TagCount
from autotag.domain.identity import folder_path
from autotag.errors import AutotagError, RejectedImageError
from autotag.pipeline.contact_sheet import THUMBNAIL_PX
from autotag.pipeline.contact_sheet_type import printable
from autotag.pipeline.html_pages import html_template, jpeg_uri
from autotag.review.source_pictures import SourcePicture, SourcePictures, SourceRegion, small_jpeg
from autotag.search.answers import FoundRegion, SearchAnswer, SearchHit
from autotag.storage.folder_files import read_file
from autotag.storage.images import ImageLimits, decode_small
from autotag.storage.layout import Layout
from autotag.storage.tables import write_text

SEARCH_TEMPLATE = "search_page.html.jinja2"

PictureOf = Callable[[SearchHit], SourcePicture]
"""The whole image of a hit, small, or why it cannot be shown."""


def write_search_page(
    path: UPath, title: str, answer: SearchAnswer, picture_of: PictureOf, unmet: str = ""
) -> None:
    """Write the page, whole or not at all. A hit without a picture has the reason in its place; `unmet` as in `answer_words`.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    cards = [_card(rank, hit, picture_of(hit)) for rank, hit in enumerate(answer.hits, 1)]
    lead = printable(answer_words(answer, unmet))
    write_text(path, html_template(SEARCH_TEMPLATE).render(title=printable(title), lead=lead, cards=cards))


def answer_words(answer: SearchAnswer, unmet: str = "") -> str:
    """An answer in a sentence: how many images, or why there are none; `unmet` is why no image passes the filter."""
    if answer.hits:
        count = f"{len(answer.hits)} {'image' if len(answer.hits) == 1 else 'images'}"
        more = ", and there are more" if answer.next else ""
        order = "newest first" if answer.hits[0].score is None else "nearest first"
        return f"{count}, {order}{more}{_chance_words(answer)}"
    if answer.best_score is None or answer.cut is None:
        return f"nothing found: {unmet}" if unmet else "nothing found"
    return (
        f"nothing found: the nearest image scores {answer.best_score:.3f}, and {answer.cut:.3f} would be needed;"
        f" --min-score -1 shows the nearest all the same{_tagged_words(answer.tagged)}"
    )


def standing_out(answer: SearchAnswer) -> int | None:
    """How many hits are more than chance; None where all are, or nobody can tell."""
    if answer.cut is None:
        return None
    count = sum(hit.score is None or hit.score >= answer.cut for hit in answer.hits)
    return count if count < len(answer.hits) else None


def _chance_words(answer: SearchAnswer) -> str:
    count = standing_out(answer)
    if count is None:
        return ""
    return f"; {count} {'stands' if count == 1 else 'stand'} out, scores under {answer.cut:.3f} may be chance"


def _tagged_words(tagged: TagCount | None) -> str:
    if tagged is None:
        return ""
    images = "1 image is" if tagged.images == 1 else f"{tagged.images:,} images are"
    return f". {images} tagged '{tagged.tag}': add --tag {quote(tagged.tag)} and leave the words out"


def catalog_pictures(layout: Layout, limits: ImageLimits) -> PictureOf:
    """Pictures of a catalog's images, from the folders they lie in."""

    def picture_of(hit: SearchHit) -> SourcePicture:
        try:
            data = read_file(layout.pictures(hit.folder), hit.file, hit.media_id)
            return SourcePicture(small_jpeg(decode_small(data, limits, THUMBNAIL_PX).pixels, THUMBNAIL_PX))
        except RejectedImageError as error:
            return SourcePicture(b"", error.reason)
        except AutotagError as error:
            return SourcePicture(b"", str(error))

    return picture_of


def archive_pictures(pictures: SourcePictures, model_id: str) -> PictureOf:
    """Pictures of archive images, cut from the tars by byte range."""

    def picture_of(hit: SearchHit) -> SourcePicture:
        whole = SourceRegion(hit.folder, hit.file, hit.media_id, (0, 0, hit.width, hit.height))
        return pictures.picture(model_id, whole, THUMBNAIL_PX)

    return picture_of


def _card(rank: int, hit: SearchHit, picture: SourcePicture) -> dict[str, Any]:
    return {
        "rank": rank,
        "score": hit.score,
        "name": printable(hit.file),
        "place": printable(folder_path(hit.folder)),
        "picture": jpeg_uri(picture.jpeg),
        "reason": printable(picture.reason),
        "boxes": [_box(each, hit) for each in hit.regions if each.region_index],
        "tags": [printable(tag) for tag in hit.tags],
    }


def _box(region: FoundRegion, hit: SearchHit) -> dict[str, Any]:
    """A region in percent of its image."""
    x0, y0, x1, y1 = region.box_xyxy_px
    return {
        "label": printable(region.class_name),
        "left": round(100 * x0 / hit.width, 2),
        "top": round(100 * y0 / hit.height, 2),
        "width": round(100 * (x1 - x0) / hit.width, 2),
        "height": round(100 * (y1 - y0) / hit.height, 2),
    }
