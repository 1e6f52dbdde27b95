"""The review sheet: one CSV row an image, to look at, to edit in any spreadsheet program, and to import again.

RFC 4180 in UTF-8, without a byte order mark. Lists are names joined by pipes, see `domain.pipe_lists`. A cell of text that a
spreadsheet program would take for a formula gets an apostrophe before it, which reading takes off again; cells of numbers,
which may begin with a minus, stay as they are.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from autotag.domain.pipe_lists import PIPE, join_names

COLUMNS = (
    "path",
    "rel_path",
    "width",
    "height",
    "top1",
    "top1_score",
    "top5_labels",
    "top5_scores",
    "approved_labels",
    "run_id",
    "model_name",
)

_GUARD = "'"
_FORMULA = re.compile(r"[=+\-@\t\r]")
_GUARDED = re.compile(rf"{_GUARD}+[=+\-@\t\r]")
_SCORE_DIGITS = 4
_LABELS_SHOWN = 5
"""In `top5_labels`, however many are kept of an image."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One image.

    Attributes:
        path: absolute path or URI.
        rel_path: below the folder.
        width: pixels, after EXIF orientation.
        height: likewise.
        labels: the best labels, best first; empty where none were scored. The sheet has five of them at most.
        scores: of these labels.
        approved: tags that people approved or added, by name.
    """

    path: str
    rel_path: str
    width: int
    height: int
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    approved: tuple[str, ...]


def sheet_bytes(rows: Iterable[SheetRow], run_id: str, model_name: str) -> bytes:
    """The sheet's file, rows in the order given; the same for the same rows."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row, run_id, model_name) for row in rows)
    return stream.getvalue().encode("utf-8")


def guarded(text: str) -> str:
    """The text as no spreadsheet program takes it for a formula; `unguarded` is the inverse."""
    return _GUARD + text if _FORMULA.match(text) or _GUARDED.match(text) else text


def unguarded(cell: str) -> str:
    """What `guarded` made the cell from. A cell that never had a guard is itself."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _cells(row: SheetRow, run_id: str, model_name: str) -> tuple[object, ...]:
    labels = row.labels[:_LABELS_SHOWN]
    scores = [f"{score:.{_SCORE_DIGITS}f}" for score in row.scores[:_LABELS_SHOWN]]
    return (
        guarded(row.path),
        guarded(row.rel_path),
        row.width,
        row.height,
        guarded(labels[0]) if labels else "",
        scores[0] if scores else "",
        guarded(join_names(labels)),
        PIPE.join(scores),
        guarded(join_names(row.approved)),
        guarded(run_id),
        guarded(model_name),
    )
