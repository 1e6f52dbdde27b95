"""Hits of a store search as the page that searches of the catalog and the archive have, too."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from upath import UPath

from autotag.errors import MissingInputError, RejectedImageError, RetryableError
from autotag.pipeline.contact_sheet import THUMBNAIL_PX
from autotag.pipeline.contact_sheet_type import printable
from autotag.pipeline.html_pages import html_template, jpeg_uri
from autotag.pipeline.search_page import SEARCH_TEMPLATE
from autotag.review.source_pictures import small_jpeg
from autotag.search.store_index import StoreRelease
from autotag.search.store_search import StoreHit
from autotag.storage.folder_files import read_file
from autotag.storage.images import ImageLimits, decode_small
from autotag.storage.tables import write_text


def write_hits_page(
    path: UPath, query: str, hits: Sequence[StoreHit], release: StoreRelease, limits: ImageLimits
) -> None:
    """Write the page, whole or not at all. A hit whose file is gone, or changed since, has the reason for a picture.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    lead = (
        f"{len(hits)} of {release.rows:,} {'image' if release.rows == 1 else 'images'}, nearest first; the score is the"
        f" cosine of words and image. {release.model_id}, index {release.version}."
    )
    cards = [_card(hit, limits) for hit in hits]
    write_text(path, html_template(SEARCH_TEMPLATE).render(title=printable(query), lead=lead, cards=cards))


def _card(hit: StoreHit, limits: ImageLimits) -> dict[str, Any]:
    file = PurePosixPath(hit.file)
    card: dict[str, Any] = {
        "rank": hit.rank,
        "score": hit.score,
        "name": printable(file.name),
        "place": f"{printable(str(file.parent))} · {hit.width} × {hit.height} px",
        "boxes": [],
        "tags": [],
    }
    try:
        return card | {"picture": jpeg_uri(_picture(hit, limits)), "reason": ""}
    except (RejectedImageError, RetryableError) as error:
        return card | {"picture": "", "reason": printable(str(error))}


def _picture(hit: StoreHit, limits: ImageLimits) -> bytes:
    file = UPath(hit.file)
    try:
        data = read_file(file.parent, file.name, hit.media_id)
    except MissingInputError as error:
        raise RejectedImageError("read", "its folder is gone") from error
    return small_jpeg(decode_small(data, limits, THUMBNAIL_PX).pixels, THUMBNAIL_PX)
