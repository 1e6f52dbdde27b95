"""An image of a folder with its regions drawn on it, for a person to look at."""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from upath import UPath

from autotag.storage.folder_files import read_file
from autotag.storage.folder_tables import FolderTables
from autotag.storage.images import ImageLimits, decode_small, probe_image
from autotag.storage.tables import read_table

COLORS = ("#ffd23f", "#4cc9f0", "#ff8fa3", "#80ed99", "#f8961e", "#cdb4fe", "#5eead4", "#ff70d9")
QUALITY = 88


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box and what is written on it.

    Attributes:
        region_index: of the image; 0 is the whole of it.
        box_xyxy_px: in pixels of the upright image.
        label: class name and score.
    """

    region_index: int
    box_xyxy_px: tuple[int, int, int, int]
    label: str


def boxes_of(tables: FolderTables, key: str, file: str) -> list[DrawnBox]:
    """The regions of one image, by index; the whole image is not among them.

    Raises:
        MissingInputError: the folder's regions have not been found yet.
    """
    columns = ["file", "region_index", "kind", "box_xyxy_px", "class_name", "score"]
    rows = read_table(tables.regions, columns, made_by=f"target_crops of {key}", span=("file", file, file))
    return [
        DrawnBox(row["region_index"], tuple(row["box_xyxy_px"]), f"{row['class_name']} {row['score']:.2f}")
        for row in rows.to_pylist()
        if row["kind"] == "object"
    ]


def boxed_picture(
    folder: UPath,
    file: str,
    limits: ImageLimits,
    boxes: Sequence[DrawnBox],
    long_edge_px: int,
    media_id: str = "",
) -> bytes:
    """The image, shrunk to a long edge, with its boxes: a JPEG.

    Args:
        folder: where it lies.
        file: its name.
        limits: what to refuse.
        boxes: in pixels of the upright image as it was scanned.
        long_edge_px: of the result, at most.
        media_id: of the image that the boxes belong to; empty where any will do.

    Raises:
        RejectedImageError: it cannot be read or decoded, or is another image than that by now.
        MissingInputError: the folder is gone.
    """
    data = read_file(folder, file, media_id)
    width_px = probe_image(data, limits).width
    picture = Image.fromarray(decode_small(data, limits, long_edge_px).pixels)
    scale = picture.width / width_px
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        _draw(draw, box, scale)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def color_of(label: str) -> str:
    """A label's colour, `#rrggbb`; the same in every process."""
    return COLORS[zlib.crc32(label.rpartition(" ")[0].encode("utf-8", "surrogatepass")) % len(COLORS)]


def _draw(draw: ImageDraw.ImageDraw, box: DrawnBox, scale: float) -> None:
    x0, y0, x1, y1 = (round(edge * scale) for edge in box.box_xyxy_px)
    color = color_of(box.label)
    draw.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=color, width=3)
    place = draw.textbbox((x0 + 4, y0 + 3), box.label)
    draw.rectangle((x0, y0, place[2] + 4, place[3] + 3), fill=color)
    draw.text((x0 + 4, y0 + 3), box.label, fill="black")
