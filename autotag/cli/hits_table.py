"""What a search found, as a table that fits the terminal: names are folded and never cut, tags are where there is no room."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from autotag.domain.identity import folder_path

if TYPE_CHECKING:
    from autotag.search.answers import SearchHit

LEAST_TAGS_WIDTH = 16


def hits_table(
    hits: "Sequence[SearchHit]", place: tuple[str, str], width: int, standing_out: int | None = None
) -> Table:
    """A row a hit.

    Args:
        hits: best first.
        place: what a hit's folder and file are called.
        width: of the terminal, in cells.
        standing_out: of the hits, those that are no chance, which come first; None for all. The others are dim.
    """
    names = ("", "score", *place, "region", "tags")
    rows = [_row(rank, hit) for rank, hit in enumerate(hits, 1)]
    taken = [max(map(cell_len, column)) for column in list(zip(names, *rows, strict=True))[:-1]]
    table = Table(box=None, header_style="bold")
    for name in names[:-1]:
        table.add_column(name, overflow="fold")
    left = width - sum(taken) - 2 * len(names)  # a cell of space on either side of each column
    table.add_column(names[-1], no_wrap=True, overflow="ellipsis", max_width=max(left, LEAST_TAGS_WIDTH))
    for rank, row in enumerate(rows):
        is_dim = standing_out is not None and rank >= standing_out
        table.add_row(*map(escape, row), style="dim" if is_dim else "")
    return table


def _row(rank: int, hit: "SearchHit") -> tuple[str, ...]:
    boxes = [str(list(each.box_xyxy_px)) for each in hit.regions if each.region_index]
    score = "" if hit.score is None else f"{hit.score:.3f}"
    region = " ".join(boxes) or "image"
    return str(rank), score, folder_path(hit.folder), hit.file, region, ", ".join(hit.tags)
