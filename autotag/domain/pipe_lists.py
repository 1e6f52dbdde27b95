"""Lists of names in one cell of a sheet: names joined by pipes, with a backslash before what would be mistaken."""

import re
from collections.abc import Sequence

PIPE = "|"

_ESCAPED = {"\\": "\\\\", PIPE: "\\|", "\n": "\\n", "\r": "\\r"}
_EMPTY = "\\e"
"""Stands for a name of no characters, which would otherwise look like no name at all."""

_PLAIN = {written: name for name, written in _ESCAPED.items()} | {_EMPTY: ""}
_PIECE = re.compile(r"\\.|\||[^\\|]+|\\", re.DOTALL)


def join_names(names: Sequence[str]) -> str:
    r"""The cell that holds the names: `["a|b", "c"]` is `a\|b|c`; no names, an empty cell.

    Backslashes are doubled, line ends are written `\n` and `\r`, an empty name `\e`, so that a cell is one line in every
    program. `split_names` is the inverse.
    """
    return PIPE.join(_escaped(name) for name in names)


def split_names(cell: str) -> list[str]:
    r"""The names in a cell that `join_names` or a person wrote, in order.

    What people do is forgiven: nothing between two pipes is no name, and a backslash that escapes nothing is itself.
    """
    names: list[list[str]] = [[]]
    for piece in _PIECE.findall(cell):
        if piece == PIPE:
            names.append([])
        else:
            names[-1].append(_PLAIN[piece] if piece in _PLAIN else str(piece))
    return ["".join(pieces) for pieces in names if pieces]


def _escaped(name: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in name) or _EMPTY
