"""Hits of a store search as an HTML page that stands alone: pictures and styles in it, without script or network."""

import base64
import io
from collections.abc import Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image
from upath import UPath

from autotag.errors import RejectedImageError, RetryableError
from autotag.pipeline.contact_sheet import THUMBNAIL_PX
from autotag.pipeline.contact_sheet_type import printable
from autotag.search.store_index import StoreRelease
from autotag.search.store_search import StoreHit
from autotag.storage.folder_files import read_file
from autotag.storage.images import ImageLimits, decode_small
from autotag.storage.tables import write_text

_TEMPLATE = "store_hits.html.jinja2"
_JPEG_QUALITY = 82


def write_hits_page(
    path: UPath, query: str, hits: Sequence[StoreHit], release: StoreRelease, limits: ImageLimits
) -> None:
    """Write the page, whole or not at all. A hit whose file is gone, or changed since, has the reason for a picture.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    page = _template().render(
        query=printable(query),
        images=release.rows,
        model_id=release.model_id,
        version=release.version,
        cards=[_card(hit, limits) for hit in hits],
    )
    write_text(path, page)


def _card(hit: StoreHit, limits: ImageLimits) -> dict[str, Any]:
    card: dict[str, Any] = hit.as_dict() | {"name": printable(PurePosixPath(hit.file).name), "reason": ""}
    try:
        return card | {"picture": _picture(hit, limits)}
    except (RejectedImageError, RetryableError) as error:
        return card | {"picture": "", "reason": printable(str(error))}


def _picture(hit: StoreHit, limits: ImageLimits) -> str:
    file = UPath(hit.file)
    if not file.parent.exists():
        raise RejectedImageError("read", "its folder is gone")
    pixels = decode_small(read_file(file.parent, file.name, hit.media_id), limits, THUMBNAIL_PX).pixels
    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    picture.save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


@cache
def _template() -> Template:
    return Environment(
        loader=PackageLoader("autotag.pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(_TEMPLATE)
