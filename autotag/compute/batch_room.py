"""How much of a batch memory has room for: learned from what did not fit, for as long as the process has the model."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

_Item = TypeVar("_Item")


class BatchRoom:
    """The most that one call of a model may be given, in images or crops; no limit before one has failed."""

    def __init__(self) -> None:
        self.most: int | None = None

    def first_part(self, items: Sequence[_Item], weigh: Callable[[_Item], int]) -> Sequence[_Item]:
        """As many items from the first on as are within the limit; at least one, where there is one."""
        held = 0
        for count, item in enumerate(items):
            held += weigh(item)
            if count and self.most is not None and held > self.most:
                return items[:count]
        return items

    def shrink(self, weight: int) -> None:
        """A call with so much did not fit: half of it may."""
        half = (weight + 1) // 2
        self.most = half if self.most is None else min(self.most, half)


_rooms: WeakKeyDictionary[object, BatchRoom] = WeakKeyDictionary()


def room_for(model: object) -> BatchRoom:
    """What this process has learned of the model."""
    return _rooms.setdefault(model, BatchRoom())
