"""What a store has to tell for its regions to be held in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autotag.domain.catalog_entries import CatalogImage

Editions = npt.NDArray[np.int64]
"""One number for each image that is there, another one each time the image is written."""


@dataclass(frozen=True, slots=True)
class Change:
    """A write of this process.

    Attributes:
        version: of the store after it.
        editions: of the images.
        images: that were written, whole.
        gone: ids of images that left.
        stamp: of the store; one that is made anew in the same place has another.
    """

    version: int
    editions: Sequence[int] = ()
    images: Sequence[CatalogImage] = ()
    gone: Sequence[str] = ()
    stamp: str = ""


class FollowedStore(Protocol):
    """A store that can be read as it was at one moment. Used by one thread at a time."""

    def changed(self) -> bool:
        """Move on to the newest state; whether it is another one than before."""
        ...

    def moved_by(self, change: Change) -> bool:
        """Move on to the state after a change where nothing else is new there; whether that is so."""
        ...

    def apart(self) -> "FollowedStore":
        """The same store for another thread; it has to be told to move on before it is read."""
        ...

    def regions(self) -> int:
        """How many this state has."""
        ...

    def editions(self) -> Editions:
        """int64 (images,): of all images of this state, in any order."""
        ...

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        """The images of some editions of this state with their editions, some at a time."""
        ...
