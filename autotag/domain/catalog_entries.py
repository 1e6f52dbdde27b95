"""What the catalog holds of one image: where it lies, its tags and dates, and the vectors of it and of its objects."""

import hashlib
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from autotag.domain.identity import INGESTED_KEY

Vector = npt.NDArray[np.float32]

ID_DIGITS = 32
"""Hexadecimal characters of an image id: 128 bits."""


def image_id(folder: str, file: str) -> str:
    """Name of an image in the catalog, the same in every run: it follows where the image lies, not what is in it.

    Args:
        folder: partition key of its folder.
        file: relative to the folder, `/` between parts.
    """
    place = f"{folder}\0{file}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(place).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """An object inside an image.

    Attributes:
        region_index: its number in the image, 1 or more; 0 is the whole image.
        box_xyxy_px: x0, y0, x1, y1 in pixels of the oriented image, x1 and y1 exclusive.
        class_name: the detector's word; empty where it has none.
        confidence: the detector's, in [0, 1].
        embedding: float32 (dim,), unit L2 norm.
    """

    region_index: int
    box_xyxy_px: tuple[int, int, int, int]
    class_name: str
    confidence: float
    embedding: Vector = field(compare=False)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is told of an image wherever it turns up. Records of an image inherit these: their own fields come after them.

    Attributes:
        image_id: see `image_id`; of an archive image `<shard>/<key>`.
        media_id: sha256 of the file's bytes.
        folder: partition key of its folder; of an archive image its shard.
        file: relative to the folder; of an archive image its key.
        width: of the oriented image, in pixels; 0 where it is not known.
        height: likewise.
        tags: none twice, by falling score; those of people first.
        taken_at: when the photograph was taken, as its EXIF says, read as UTC; None where it does not say.
        added_at: when the catalog first met it, UTC; stays when the image is written again. None of an archive image.
    """

    image_id: str
    media_id: str
    folder: str
    file: str
    width: int
    height: int
    tags: tuple[str, ...]
    taken_at: datetime | None
    added_at: datetime | None

    def facts(self) -> tuple[Any, ...]:
        """The values of `FACTS`, with which another record of the same image begins."""
        return _facts(self)


FACTS = tuple(each.name for each in fields(ImageFacts))
"""Names of what `ImageFacts` holds, in its order."""

_facts = attrgetter(*FACTS)


@dataclass(frozen=True, slots=True)
class CatalogImage(ImageFacts):
    """An image of the catalog.

    Attributes:
        added_at: always known.
        embedding: float32 (dim,), unit L2 norm, of the whole image.
        objects: by region index.
    """

    added_at: datetime
    embedding: Vector = field(compare=False)
    objects: tuple[CatalogObject, ...] = ()

    @property
    def is_ingested(self) -> bool:
        """Whether it came in through the API and is kept by autotag, not by the user in a folder."""
        return self.folder == INGESTED_KEY

    @property
    def date(self) -> datetime:
        """What date filters look at: when it was taken, else when it was added."""
        return self.taken_at or self.added_at
