"""The colours that tie a box of a contact sheet to its tags."""

import zlib
from collections.abc import Sequence

from autotag.pipeline.contact_sheet import SheetBox, SheetTag

BOX_COLORS = ("#ffd23f", "#4cc9f0", "#ff8fa3", "#80ed99", "#f8961e", "#cdb4fe", "#5eead4", "#ff70d9")
"""Bright enough for black letters; by label."""


def color_of(label: str) -> str:
    """The first choice for boxes of this label, `#rrggbb`; the same in every process."""
    return BOX_COLORS[zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(BOX_COLORS)]


def colors_of(boxes: Sequence[SheetBox]) -> list[str]:
    """The colours of an image's boxes, in order: one a label, and no two labels alike while there are enough."""
    chosen: dict[str, str] = {}
    for box in boxes:
        if box.label not in chosen:
            first = BOX_COLORS.index(color_of(box.label))
            turns = BOX_COLORS[first:] + BOX_COLORS[:first]
            chosen[box.label] = next((color for color in turns if color not in chosen.values()), turns[0])
    return [chosen[box.label] for box in boxes]


def swatches_of(tag: SheetTag, colors: Sequence[str]) -> tuple[str, ...]:
    """The colours of the boxes that earned a tag, none twice; none for one that the whole image earned."""
    return tuple(dict.fromkeys(colors[each.box] for each in tag.earned_by if each.box is not None))
