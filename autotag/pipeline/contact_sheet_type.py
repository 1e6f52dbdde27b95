"""Lettering of a contact sheet: fonts that have the glyphs, and text clipped to a width.

Pillow's built-in font knows ASCII only. DejaVu Sans, which matplotlib brings along, has Latin, Greek, Cyrillic,
Arabic, Hebrew and symbols; for Chinese, Japanese and Korean the system's fonts are asked.
"""

from functools import cache
from importlib.metadata import distribution

from PIL import Image, ImageDraw, ImageFont

_DEJAVU = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc",  # Debian, Ubuntu, Fedora
    "DroidSansFallbackFull.ttf",
    "wqy-zenhei.ttc",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Arial Unicode.ttf",  # macOS
    "msyh.ttc",  # Windows
)
_NO_GLYPH = "\U0010fffe"  # a non-character: no font may have a glyph for it


def printable(text: str) -> str:
    """The text on one line: control characters and lone surrogates become the replacement character."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def font_for(text: str, size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The first font that has every glyph of the text; DejaVu Sans where none has."""
    first = _dejavu(size_px, bold)
    for font in (first, *_system_fonts(size_px)):
        if all(_has_glyph(font, letter) for letter in set(text)):
            return font
    return first


def clipped(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    """The longest beginning that fits, with an ellipsis where something was cut; empty if not even that fits."""
    if font.getlength(text) <= width_px:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + "…") <= width_px:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def wrapped(text: str, font: ImageFont.FreeTypeFont, width_px: float, lines: int) -> list[str]:
    """The words in at most `lines` lines, the last one clipped; no lines for no words."""
    made: list[str] = []
    words = text.split()
    while words and len(made) < lines - 1:
        line = words.pop(0)
        while words and font.getlength(f"{line} {words[0]}") <= width_px:
            line = f"{line} {words.pop(0)}"
        made.append(clipped(line, font, width_px))
    if words:
        made.append(clipped(" ".join(words), font, width_px))
    return made


@cache
def _dejavu(size_px: int, bold: bool) -> ImageFont.FreeTypeFont:
    path = distribution("matplotlib").locate_file(f"matplotlib/mpl-data/fonts/ttf/{_DEJAVU[bold]}")
    return ImageFont.truetype(str(path), size_px)


@cache
def _system_fonts(size_px: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    found: list[ImageFont.FreeTypeFont] = []
    for name in _SYSTEM_FONTS:
        try:
            found.append(ImageFont.truetype(name, size_px))
        except OSError:  # Pillow's way of saying that the system has no such font
            continue
    return tuple(found)


@cache
def _has_glyph(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    return letter.isspace() or _drawn(font, letter) != _drawn(font, _NO_GLYPH)


@cache
def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    side_px = round(2 * font.size)
    ground = Image.new("L", (side_px, side_px))
    ImageDraw.Draw(ground).text((0, 0), letter, 255, font)
    return ground.tobytes()
