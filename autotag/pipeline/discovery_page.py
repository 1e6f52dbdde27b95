"""The page of a discovery: each cluster with pictures of its regions and words for it; it stands alone."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from upath import UPath

from autotag.domain.identity import folder_path
from autotag.domain.regions import RgbImage
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.contact_sheet_type import printable
from autotag.pipeline.discovered_clusters import Cluster, ClusterMember
from autotag.pipeline.html_pages import html_template, jpeg_uri
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.folder_files import read_file
from autotag.storage.images import decode_image
from autotag.storage.tables import write_text

PICTURE_PX = 640
"""Long edge of a region's picture: enough for a model that looks at it."""

TILE_PX = 240
_JPEG_QUALITY = 80
_TEMPLATE = "discovery.html.jinja2"

CLUSTERS_SHOWN = 60
"""On the page; the table has all."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A region on the page: what it is, and a small JPEG as a data URI."""

    title: str
    picture: str


def region_pictures(
    plan: PipelinePlan, members: Sequence[ClusterMember], limit: int
) -> list[tuple[ClusterMember, RgbImage]]:
    """Pictures of the first members that can still be read, at most `limit`; long edge at most `PICTURE_PX`.

    A file that is gone, or is no longer the one the region was found in, is left out.
    """
    found: list[tuple[ClusterMember, RgbImage]] = []
    for member in members:
        if len(found) == limit:
            break
        try:
            data = read_file(plan.layout.folder(member.folder), member.file, member.media_id)
            pixels = decode_image(data, plan.limits).pixels
        except (RejectedImageError, MissingInputError):
            continue
        x0, y0, x1, y1 = member.box_xyxy_px
        found.append((member, _shrunk(pixels[y0:y1, x0:x1], PICTURE_PX)))
    return found


def tiles_of(pictures: Sequence[tuple[ClusterMember, RgbImage]]) -> list[Tile]:
    """Tiles for the page."""
    return [
        Tile(printable(f"{folder_path(each.folder)}/{each.file}"), _data_uri(_shrunk(pixels, TILE_PX)))
        for each, pixels in pictures
    ]


def write_discovery_page(
    path: UPath,
    title: str,
    shown: Sequence[tuple[Cluster, Sequence[Tile]]],
    facts: Mapping[str, Any],
    command: str,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        title: heading.
        shown: clusters with their tiles, the largest first.
        facts: told on top, in order: numbers, and notes as a list under "notes"; `clusters` is how many there are in all.
        command: what accepts a cluster, up to its name.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    cards = [
        {
            "name": cluster.name,
            "images": len(cluster.media_ids),
            "regions": len(cluster.members),
            "cohesion": cluster.cohesion,
            "words": [(printable(each.word), each.score, each.source) for each in cluster.words],
            "tiles": tiles,
            "echo": _echo(cluster, [earlier for earlier, _ in shown[:place]]),
        }
        for place, (cluster, tiles) in enumerate(shown)
    ]
    figures = {name: value for name, value in facts.items() if name != "notes"}
    page = html_template(_TEMPLATE).render(
        title=printable(title),
        cards=cards,
        figures=figures,
        notes=facts.get("notes", []),
        command=printable(command),
    )
    write_text(path, page)


def _echo(cluster: Cluster, earlier: Sequence[Cluster]) -> tuple[int, str] | None:
    """How many of its images are in the earlier cluster that has most of them, and that one's name; None below a half.

    Objects and the whole images they lie in are clusters of their own: one word often answers for both.
    """
    mine = set(cluster.media_ids)
    shared = [(len(mine.intersection(other.media_ids)), other.name) for other in earlier]
    most = max(shared, key=lambda each: each[0], default=(0, ""))
    return most if 2 * most[0] >= len(mine) else None


def _shrunk(pixels: RgbImage, long_edge_px: int) -> Any:
    import numpy as np

    picture = Image.fromarray(pixels)
    picture.thumbnail((long_edge_px, long_edge_px))
    return np.asarray(picture)


def _data_uri(pixels: RgbImage) -> str:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return jpeg_uri(data.getvalue())
