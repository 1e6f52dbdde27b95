"""A contact sheet as one small JPEG: a grid of pictures with their boxes, and the tags below them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from autotag.pipeline.contact_sheet import SheetItem, SheetTag
from autotag.pipeline.contact_sheet_marks import colors_of, swatches_of
from autotag.pipeline.contact_sheet_type import clipped, font_for, printable, wrapped

MAX_BYTES = 400_000
"""Largest sheet: it is stored in the run's event log, where it is a third larger as text."""

_PAPER, _CARD = "#eef0f4", "#ffffff"
_INK, _MUTED, _CHIP, _CHIP_EDGE, _AMBER = "#1b2330", "#5b6676", "#e6eefc", "#c3d5f7", "#9a5b00"
_SHADOW = "#101010"
_CHIP_ROWS = 2
_NOTE_LINES = 6
_LABEL_LETTER, _LABEL_HEIGHT = 11, 15
_LABEL_INSET = 4
_LABEL_ROOM = 90

_Place = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True, slots=True)
class _TileForm:
    """Measures of a tile, in pixels."""

    width: int

    @property
    def picture_height(self) -> int:
        return self.width * 3 // 4

    @property
    def letter(self) -> int:
        return max(9, self.width // 19)

    @property
    def pad(self) -> int:
        return max(4, self.width // 28)

    @property
    def gap(self) -> int:
        return max(3, self.width // 44)

    @property
    def swatch(self) -> int:
        return self.letter * 3 // 4

    @property
    def row(self) -> int:
        return round(self.letter * 1.85)

    @property
    def height(self) -> int:
        return self.picture_height + (1 + _CHIP_ROWS) * self.row + 2 * self.pad


@dataclass(frozen=True, slots=True, eq=False)
class _Chip:
    """A tag, clipped to its room."""

    name: str
    score: str
    font: ImageFont.FreeTypeFont
    width: float
    swatches: tuple[str, ...]
    """Colours of the boxes that earned it."""


def sheet_jpeg(items: Sequence[SheetItem], tile_px: int, columns: int, note: str = "") -> bytes:
    """Draw the sheet.

    Args:
        items: left to right, top to bottom. No items: one tile that says so.
        tile_px: width of a tile, at least 64.
        columns: tiles a row, at least 1; fewer where there are fewer items.
        note: what a reader has to know, below the tiles.

    Returns:
        A JPEG of at most `MAX_BYTES`: quality is lowered first, then size.
    """
    form = _TileForm(tile_px)
    across = max(1, min(columns, len(items)))
    down = max(1, -(-len(items) // across))
    step_x, step_y = form.width + form.pad, form.height + form.pad
    width, note_top = across * step_x + form.pad, down * step_y + form.pad
    note_font = font_for(printable(note), form.letter)
    lines = wrapped(printable(note), note_font, width - 4 * form.pad, _NOTE_LINES)
    sheet = Image.new("RGB", (width, note_top + len(lines) * form.row + (form.pad if lines else 0)), _PAPER)
    for place, item in enumerate(items):
        corner = (form.pad + place % across * step_x, form.pad + place // across * step_y)
        sheet.paste(_tile(item, form), corner)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((2 * form.pad, note_top + form.row * (number + 0.5)), line, _MUTED, note_font, anchor="lm")
    if not items:
        draw.text((2 * form.pad, 2 * form.pad), "No images to show", _MUTED, font_for("", form.letter))
    return _small_jpeg(sheet)


def sheet_markdown(jpeg: bytes) -> str:
    """The sheet as a Markdown image that carries its own bytes."""
    return f"![contact sheet](data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')})"


def _tile(item: SheetItem, form: _TileForm) -> Image.Image:
    tile = Image.new("RGB", (form.width, form.height), _CARD)
    draw = ImageDraw.Draw(tile)
    picture = _picture_with_boxes(item, form)
    tile.paste(picture, ((form.width - picture.width) // 2, (form.picture_height - picture.height) // 2))
    title = printable(item.title)
    font = font_for(title, form.letter, bold=True)
    top = form.picture_height + form.pad
    room = form.width - 2 * form.pad
    draw.text((form.pad, top + form.row // 2), clipped(title, font, room), _INK, font, anchor="lm")
    if item.tags:
        _draw_chips(draw, item, top + form.row, form)
        return tile
    reason = printable(item.reason) or "no tags"
    font = font_for(reason, form.letter)
    for number, line in enumerate(wrapped(reason, font, room, _CHIP_ROWS)):
        draw.text((form.pad, top + form.row * (number + 1.5)), line, _AMBER, font, anchor="lm")
    return tile


def _picture_with_boxes(item: SheetItem, form: _TileForm) -> Image.Image:
    picture = Image.fromarray(item.pixels)
    scale = min(1.0, form.width / picture.width, form.picture_height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    colors = colors_of(item.boxes)
    for box, color in zip(item.boxes, colors, strict=True):
        x0, y0, x1, y1 = (round(edge * scale) for edge in box.box_xyxy_px)
        x1, y1 = max(x0, min(x1, picture.width) - 1), max(y0, min(y1, picture.height) - 1)
        draw.rectangle((x0, y0, x1, y1), outline=_SHADOW, width=4)
        draw.rectangle((x0 + 1, y0 + 1, max(x0 + 1, x1 - 1), max(y0 + 1, y1 - 1)), outline=color, width=2)
    taken: list[tuple[float, float, float, float]] = []
    for box, color in zip(item.boxes, colors, strict=True):
        if box.label:
            x0, y0 = (round(edge * scale) for edge in box.box_xyxy_px[:2])
            text = printable(box.label)
            place = _label_place(text, (x0, y0), picture.size, taken)
            _draw_label(draw, text, place, color)
            taken.append(place)
    return picture


def _label_place(
    text: str, corner: tuple[int, int], size: tuple[int, int], taken: Sequence[_Place]
) -> _Place:
    """A place at a box's corner: above its edge or, where there is no room, inside; and below other labels."""
    room = max(min(size[0], _LABEL_ROOM), 0.6 * size[0])
    width = min(font_for(text, _LABEL_LETTER, bold=True).getlength(text) + 7, room)
    is_above = corner[1] >= _LABEL_HEIGHT
    x0, y0 = (corner[0], corner[1] - _LABEL_HEIGHT) if is_above else (each + _LABEL_INSET for each in corner)
    x0, y0 = max(0.0, min(x0, size[0] - width)), max(0.0, min(y0, size[1] - _LABEL_HEIGHT))
    for other in sorted(taken, key=lambda place: place[1]):
        apart = x0 >= other[2] or x0 + width <= other[0] or y0 >= other[3] or y0 + _LABEL_HEIGHT <= other[1]
        if not apart and other[3] + _LABEL_HEIGHT <= size[1]:
            y0 = other[3]
    return x0, y0, x0 + width, y0 + _LABEL_HEIGHT


def _draw_label(draw: ImageDraw.ImageDraw, text: str, place: _Place, color: str) -> None:
    font = font_for(text, _LABEL_LETTER, bold=True)
    draw.rectangle(place, color, _SHADOW)
    text = clipped(text, font, place[2] - place[0] - 6)
    draw.text((place[0] + 4, (place[1] + place[3]) / 2), text, "#000000", font, anchor="lm")


def _draw_chips(draw: ImageDraw.ImageDraw, item: SheetItem, top: int, form: _TileForm) -> None:
    """Draw the tags in rows; what finds no room is counted in a last `+n`."""
    rows, left_over = _chip_rows(item, form)
    x = 0.0
    for number, row in enumerate(rows):
        x, y = form.pad, top + number * form.row
        for chip in row:
            draw.rounded_rectangle(
                (x, y + 2, x + chip.width, y + form.row - 2), form.row // 3, _CHIP, _CHIP_EDGE
            )
            text_x, middle = x + 1.5 * form.gap, y + form.row / 2
            for color in chip.swatches:
                half = form.swatch / 2
                corners = (text_x, middle - half, text_x + form.swatch, middle + half)
                draw.rectangle(corners, color, _SHADOW)
                text_x += form.swatch + form.gap
            draw.text((text_x, middle), chip.name, _INK, chip.font, anchor="lm")
            draw.text(
                (text_x + chip.font.getlength(chip.name), middle), chip.score, _MUTED, chip.font, anchor="lm"
            )
            x += chip.width + form.gap
    if left_over:
        middle = top + (len(rows) - 0.5) * form.row
        draw.text((x, middle), f"+{left_over}", _MUTED, font_for("+", form.letter), anchor="lm")


def _chip_rows(item: SheetItem, form: _TileForm) -> tuple[list[list[_Chip]], int]:
    """The chips of each row, and how many tags found no room."""
    tags, colors = item.tags, colors_of(item.boxes)
    full = form.width - 2 * form.pad
    counter = font_for("+", form.letter).getlength("+999")
    rows: list[list[_Chip]] = [[]]
    used = 0.0
    for place, tag in enumerate(tags):
        is_last_tag = place == len(tags) - 1
        room = full - (counter if len(rows) == _CHIP_ROWS and not is_last_tag else 0)
        chip = _chip(tag, colors, form, room)
        if rows[-1] and used + chip.width > room:
            if len(rows) == _CHIP_ROWS:
                return rows, len(tags) - place
            rows.append([])
            used = 0.0
            chip = _chip(tag, colors, form, full - (0 if is_last_tag else counter))
        rows[-1].append(chip)
        used += chip.width + form.gap
    return rows, 0


def _chip(tag: SheetTag, colors: Sequence[str], form: _TileForm, room_px: float) -> _Chip:
    name = printable(tag.tag)
    score = "" if tag.score is None else f" {tag.score:.2f}"
    swatches = swatches_of(tag, colors)
    font = font_for(name + score, form.letter)
    rest = 3 * form.gap + font.getlength(score) + len(swatches) * (form.swatch + form.gap)
    name = clipped(name, font, room_px - rest)
    return _Chip(name, score, font, font.getlength(name) + rest, swatches)


def _small_jpeg(sheet: Image.Image) -> bytes:
    while True:
        for quality in (90, 82, 72, 60, 48):
            data = io.BytesIO()
            sheet.save(data, "JPEG", quality=quality, optimize=True)
            if data.tell() <= MAX_BYTES:
                return data.getvalue()
        sheet = sheet.resize((sheet.width * 4 // 5, sheet.height * 4 // 5), Image.Resampling.LANCZOS)
