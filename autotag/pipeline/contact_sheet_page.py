"""A contact sheet as an HTML page that stands alone: styles, pictures and all, without script or network."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image
from upath import UPath

from autotag.domain.regions import RgbImage
from autotag.pipeline.contact_sheet import SheetBox, SheetItem
from autotag.pipeline.contact_sheet_tiles import color_of
from autotag.pipeline.contact_sheet_type import printable
from autotag.storage.tables import write_text

_TEMPLATE = "contact_sheet.html.jinja2"
_JPEG_QUALITY = 82


def write_sheet_page(path: UPath, title: str, items: Sequence[SheetItem], summary: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        title: heading and window title.
        items: in page order; none gives a page that says so.
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
    page = _template().render(
        title=printable(title),
        figures=figures,
        facts=facts,
        cards=[_card(item) for item in items],
        tagged=sum(bool(item.tags) for item in items),
        has_scores=any(tag.score is not None for item in items for tag in item.tags),
    )
    write_text(path, page)


def _card(item: SheetItem) -> dict[str, Any]:
    height, width = item.pixels.shape[:2]
    return {
        "title": printable(item.title),
        "width": width,
        "height": height,
        "picture": _data_uri(item.pixels),
        # large boxes first, so that small ones lie on top of them
        "boxes": _placed(sorted(item.boxes, key=_area, reverse=True), width, height),
        "tags": [
            {
                "name": printable(tag.tag),
                "score": tag.score,
                "votes": tag.votes,
                "tip": _tip(tag.score, tag.votes),
            }
            for tag in item.tags
        ],
        "reason": printable(item.reason) or "no tags",
    }


def _placed(boxes: Sequence[SheetBox], width: int, height: int) -> list[dict[str, Any]]:
    """The boxes in percent of the picture, each with the place where its label hides no other label."""
    # A tile shows the picture about 300 px wide or 225 px high, whichever is reached first.
    scale = min(1.0, 300 / width, 225 / height)
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
                "color": color_of(box.label),
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
    long, high = 12 + 7 * len(box.label), 17
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


def _tip(score: float | None, votes: int | None) -> str:
    parts = [] if score is None else [f"score {score:.3f}"]
    if votes is not None:
        parts.append(f"{votes} {'vote' if votes == 1 else 'votes'} from the archive")
    return ", ".join(parts) or "recorded in the archive"


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


@cache
def _template() -> Template:
    loader = PackageLoader("autotag.pipeline", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(_TEMPLATE)
