"""Reads review sheets back, whatever program saved them: other delimiters and line ends, byte order marks, more columns."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autotag.domain.pipe_lists import split_names
from autotag.errors import BadSheetError
from autotag.review.sheet.columns import unguarded

DELIMITERS = (",", ";", "\t")
NEEDED = ("rel_path", "approved_labels", "run_id")
"""Columns without which nothing can be imported; `path` too, where the folder is not named otherwise."""

MARK = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HINT = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""First line by which some programs are told the delimiter."""


@dataclass(frozen=True, slots=True)
class EditedRow:
    """What a row says now.

    Attributes:
        line: where the row ends in the file, from 1.
        path: absolute path or URI; empty where the sheet has no such column.
        rel_path: below the folder.
        approved: labels as they are written there, each once, in the cell's order; blank ones are none.
        run_id: of the export.
    """

    line: int
    path: str
    rel_path: str
    approved: tuple[str, ...]
    run_id: str


def read_sheet(data: bytes, name: str, needed: Sequence[str] = NEEDED) -> list[EditedRow]:
    """Rows of a sheet, in its order; empty lines are none.

    Columns are found by their names, in any order and case; others are ignored.

    Args:
        data: the file.
        name: of the file, for messages.
        needed: columns that must be there.

    Raises:
        BadSheetError: no text in UTF-8 or UTF-16, no CSV, or a column is missing.
    """
    text = _text(data, name)
    hint = _HINT.match(text)
    lines = 1 if hint else 0
    text = text[hint.end() :] if hint else text
    delimiter = _delimiter(text, name, needed)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        place = _places(next(reader))
        rows = [(lines + reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise BadSheetError(
            f"{name}, line {lines + reader.line_num}: {error}; open it in a spreadsheet program, look there, and save it"
            " as CSV"
        ) from error
    return [_edited(cells, place, line) for line, cells in rows if any(cell.strip() for cell in cells)]


def _edited(cells: Sequence[str], place: dict[str, int], line: int) -> EditedRow:
    def cell(column: str) -> str:
        at = place.get(column)
        return "" if at is None or at >= len(cells) else unguarded(cells[at])

    return EditedRow(
        line=line,
        path=cell("path"),
        rel_path=cell("rel_path"),
        approved=tuple(dict.fromkeys(filter(str.strip, split_names(cell("approved_labels"))))),
        run_id=cell("run_id").strip(),
    )


def _text(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8"
    try:
        return data.decode(encoding).removeprefix(MARK)
    except UnicodeDecodeError as error:
        raise BadSheetError(
            f"{name}: byte {error.start} is no {encoding.upper()}; save the sheet as CSV in UTF-8"
        ) from error


def _delimiter(text: str, name: str, needed: Sequence[str]) -> str:
    """The delimiter that gives the header all columns.

    Raises:
        BadSheetError: none does; the message names what the best one lacks.
    """
    missing = {delimiter: _missing(text, delimiter, needed) for delimiter in DELIMITERS}
    best = min(DELIMITERS, key=lambda delimiter: len(missing[delimiter]))
    if missing[best]:
        raise BadSheetError(
            f"{name} has no column {', '.join(missing[best])}: its first line must name the columns of a review sheet,"
            " as review.csv has them"
        )
    return best


def _missing(text: str, delimiter: str, needed: Iterable[str]) -> list[str]:
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        header = []
    found = _places(header)
    return [column for column in needed if column not in found]


def _places(header: Sequence[str]) -> dict[str, int]:
    """Where each column stands; the first of two equal names."""
    places: dict[str, int] = {}
    for place, column in enumerate(header):
        places.setdefault(column.strip().strip(MARK).lower(), place)
    return places
