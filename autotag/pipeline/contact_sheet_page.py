"""A folder's contact sheet as an HTML page that stands alone: styles, pictures and all, without script or network."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from upath import UPath

from autotag.domain.regions import RgbImage
from autotag.pipeline.contact_sheet import SheetBox, SheetEarning, SheetItem, SheetTag
from autotag.pipeline.contact_sheet_folder import FolderSheet
from autotag.pipeline.contact_sheet_marks import colors_of, swatches_of
from autotag.pipeline.contact_sheet_type import printable
from autotag.pipeline.html_pages import html_template
from autotag.storage.tables import write_text

_TEMPLATE = "contact_sheet.html.jinja2"
_JPEG_QUALITY = 82

REJECTS_LISTED = 200
"""Files that could not be used and are named on the page; the others are counted."""

_NARROWEST, _WIDEST = 1.0, 1.7
"""Width by height of a tile's frame; tags need some width, and the page is not endless."""


def write_sheet_page(path: UPath, title: str, sheet: FolderSheet, summary: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        title: heading and window title.
        sheet: items in page order, none gives a page that says so; the first `REJECTS_LISTED` rejects are listed.
        summary: shown on top, in order. Values: text, numbers, None (left out), mappings and sequences of these;
            `_` in a name is shown as a space.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    shown = {
        _words(name): value
        for name, value in summary.items()
        if value is not None and value not in ({}, [], ())
    }
    figures = {name: _text(value) for name, value in shown.items() if _is_figure(value)}
    facts = {name: _text(value) for name, value in shown.items() if not _is_figure(value)}
    page = html_template(_TEMPLATE).render(
        title=printable(title),
        figures=figures,
        facts=facts,
        cards=[_card(item) for item in sheet.items],
        tagged=sum(bool(item.tags) for item in sheet.items),
        images=sheet.images,
        rejected=len(sheet.rejects),
        rejects=[(printable(each.file), printable(each.reason)) for each in sheet.rejects[:REJECTS_LISTED]],
    )
    write_text(path, page)


def _card(item: SheetItem) -> dict[str, Any]:
    height, width = item.pixels.shape[:2]
    colors = colors_of(item.boxes)
    # large boxes first, so that small ones lie on top of them
    order = sorted(range(len(item.boxes)), key=lambda place: _area(item.boxes[place]), reverse=True)
    places = _placed([item.boxes[place] for place in order], width, height)
    return {
        "title": printable(item.title),
        "width": width,
        "height": height,
        "ratio": width / height,
        "frame": min(max(width / height, _NARROWEST), _WIDEST),
        "picture": _data_uri(item.pixels),
        "boxes": [box | {"color": colors[place]} for place, box in zip(order, places, strict=True)],
        "tags": [
            {
                "name": printable(tag.tag),
                "score": tag.score,
                "votes": tag.votes,
                "swatches": swatches_of(tag, colors),
                "tip": _tip(tag),
            }
            for tag in item.tags
        ],
        "reason": printable(item.reason) or "no tags",
    }


def _placed(boxes: Sequence[SheetBox], width: int, height: int) -> list[dict[str, Any]]:
    """The boxes in percent of the picture, each with the place where its label hides no other label."""
    # A tile shows the picture about 250 px high or 500 px wide, whichever is reached first.
    scale = min(1.0, 500 / width, 250 / height)
    taken: list[_Rectangle] = []
    placed: list[dict[str, Any]] = []
    for box in boxes:
        x0, y0, x1, y1 = box.box_xyxy_px
        places = _label_places(box, scale, (width, height))
        place = next(
            (name for name, spot in places.items() if not any(map(spot.meets, taken))), next(iter(places))
        )
        if box.label:
            taken.append(places[place])
        placed.append(
            {
                "label": printable(box.label),
                "left": 100 * x0 / width,
                "top": 100 * y0 / height,
                "width": 100 * (x1 - x0) / width,
                "height": 100 * (y1 - y0) / height,
                "place": place,
            }
        )
    return placed


@dataclass(frozen=True, slots=True)
class _Rectangle:
    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: "_Rectangle") -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1


def _label_places(box: SheetBox, scale: float, size: tuple[int, int]) -> dict[str, _Rectangle]:
    """Where a label of about this length may stand, by the page's class names, best first, in pixels of a tile."""
    x0, y0, x1, y1 = (edge * scale for edge in box.box_xyxy_px)
    long, high = 12 + 7 * len(box.label), 19
    sides = {"left": x0, "right": x1 - long}
    if x0 > size[0] * scale * 0.6:
        sides = {"right": x1 - long, "left": x0}
    rows = {"above": y0 - high, "top": y0, "bottom": y1 - high}
    if y0 < high:
        del rows["above"]
    return {
        f"{row} {side}": _Rectangle(left, top, left + long, top + high)
        for row, top in rows.items()
        for side, left in sides.items()
    }


def _area(box: SheetBox) -> int:
    x0, y0, x1, y1 = box.box_xyxy_px
    return (x1 - x0) * (y1 - y0)


def _data_uri(pixels: RgbImage) -> str:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def _tip(tag: SheetTag) -> str:
    """What a tag rests on, line by line."""
    lines = [printable(tag.tag)]
    if tag.score is not None:
        lines[0] += f": score {tag.score:.3f}, {tag.votes} {'vote' if tag.votes == 1 else 'votes'}"
    if tag.earned_by:
        lines.append("earned by " + " and ".join(map(_earner, tag.earned_by)))
    if tag.voters:
        lines.append("strongest voters:")
    lines += [
        f"{printable(voter.name)}, similarity {voter.similarity:.2f}, share {voter.share:.2f}"
        for voter in tag.voters
    ]
    return "\n".join(lines)


def _earner(earning: SheetEarning) -> str:
    x0, y0, x1, y1 = earning.box_xyxy_px
    region = "the whole image" if earning.box is None else f"the box at {x0}, {y0} to {x1}, {y1}"
    share = f"{earning.share:.0%}"
    return region if share == "100%" else f"{region} ({share})"


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(name: str) -> str:
    return printable(str(name)).replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, Mapping):
        return " · ".join(f"{_words(name)} {_text(part)}" for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " · ".join(_text(part) for part in value)
    return printable(str(value))
