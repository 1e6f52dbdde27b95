"""A numpy array that rows are added to."""

from typing import Any

import numpy as np
import numpy.typing as npt

_FIRST_ROOM = 1024


class GrowingArray:
    """Rows in a block that doubles when it is full."""

    def __init__(self, dtype: npt.DTypeLike, width: int | None = None) -> None:
        """Of shape (rows,), or (rows, width)."""
        self._room = np.empty((_FIRST_ROOM,) if width is None else (_FIRST_ROOM, width), dtype)
        self._count = 0

    def extend(self, rows: npt.ArrayLike) -> None:
        """Add rows at the end."""
        added = np.asarray(rows, self._room.dtype)
        end = self._count + len(added)
        if end > len(self._room):
            room = np.empty((max(end, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            room[: self._count] = self.rows
            self._room = room
        if len(added):
            self._room[self._count : end] = added
        self._count = end

    @property
    def rows(self) -> npt.NDArray[Any]:
        """All rows; not to be kept beyond the next `extend`."""
        return self._room[: self._count]
