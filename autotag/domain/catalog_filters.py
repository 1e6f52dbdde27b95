"""Which images and objects a search may find. One meaning, whatever store answers: this module is its definition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autotag.domain.catalog_entries import CatalogImage, CatalogObject
from autotag.domain.identity import folder_path
from autotag.errors import UsageError

CONFIDENCE_STEPS = 100
"""Confidences are compared in hundredths: an object's is rounded down, the least one asked for is rounded up."""

MOST_CLASSES = 100
"""Of one filter. A store on disk looks for each class with each confidence from the least one on: a thousand take seconds."""

_ROUNDING = 1e-6


def confidence_step(confidence: float) -> int:
    """An object's confidence in hundredths, 0 to 100, rounded down."""
    return max(0, min(CONFIDENCE_STEPS, math.floor(confidence * CONFIDENCE_STEPS + _ROUNDING)))


def least_step(min_confidence: float) -> int:
    """The least confidence asked for in hundredths, 0 to 100, rounded up."""
    return max(0, min(CONFIDENCE_STEPS, math.ceil(min_confidence * CONFIDENCE_STEPS - _ROUNDING)))


@dataclass(frozen=True, slots=True)
class CatalogFilter:
    """Conditions that all hold. The empty filter lets everything through.

    Attributes:
        folder: path of a folder below the target root: that one and those below it.
        tags: the image has all of them.
        classes: the image has an object of one of these classes, found with `min_confidence` or more;
            where objects are searched for, the object itself is one.
        min_confidence: in [0, 1]; without classes it speaks of objects of any class.
        since: `date` of the image is this or later; with a time zone.
        until: `date` of the image is before this; with a time zone.
        without: ids of images left out.
    """

    folder: str = ""
    tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_confidence: float = 0.0
    since: datetime | None = None
    until: datetime | None = None
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no image can be judged by.

        Raises:
            UsageError: more than `MOST_CLASSES`, a confidence outside [0, 1], a date without a time zone or beyond what UTC knows, or a
                range that ends before it begins.
        """
        if len(self.classes) > MOST_CLASSES:
            raise UsageError(f"the filter names {len(self.classes)} classes; give at most {MOST_CLASSES}")
        if not 0 <= self.min_confidence <= 1:
            raise UsageError(f"min_confidence is {self.min_confidence}; give 0 to 1")
        for name, date in (("since", self.since), ("until", self.until)):
            if date is not None and date.tzinfo is None:
                raise UsageError(f"{name} is {date.isoformat()} without a time zone; add one, like Z for UTC")
            if date is not None and not _is_in_utc(date):
                raise UsageError(
                    f"{name} is {date.isoformat()}, which is no date in UTC; give one of years 2 to 9998"
                )
        if self.since and self.until and self.until <= self.since:
            raise UsageError(f"the range of dates ends ({self.until}) before it begins ({self.since})")

    @property
    def asks_objects(self) -> bool:
        """Whether it speaks of objects."""
        return bool(self.classes) or self.min_confidence > 0


def image_passes(image: CatalogImage, asked: CatalogFilter) -> bool:
    """Whether a search for images may find this one."""
    return _lies_right(image, asked) and (
        not asked.asks_objects or any(_object_is_right(each, asked) for each in image.objects)
    )


def object_passes(image: CatalogImage, found: CatalogObject, asked: CatalogFilter) -> bool:
    """Whether a search for objects may find this one of this image."""
    return _lies_right(image, asked) and _object_is_right(found, asked)


def is_below(folder: str, path: str) -> bool:
    """Whether a folder, named by its partition key, is the one at `path` or lies below it."""
    own = folder_path(folder)
    return own == path or own.startswith(f"{path}/")


def classes_with_steps(objects: Sequence[CatalogObject]) -> dict[str, int]:
    """The best confidence of each class of an image's objects, in hundredths."""
    best: dict[str, int] = {}
    for each in objects:
        step = confidence_step(each.confidence)
        best[each.class_name] = max(step, best.get(each.class_name, 0))
    return best


def _is_in_utc(date: datetime) -> bool:
    """Whether stores can be asked for it: in UTC it may fall before the year 1, or after 9999."""
    try:
        date.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _lies_right(image: CatalogImage, asked: CatalogFilter) -> bool:
    return (
        (not asked.folder or is_below(image.folder, asked.folder))
        and set(asked.tags) <= set(image.tags)
        and (asked.since is None or image.date >= asked.since)
        and (asked.until is None or image.date < asked.until)
        and image.image_id not in asked.without
    )


def _object_is_right(found: CatalogObject, asked: CatalogFilter) -> bool:
    if asked.classes and found.class_name not in asked.classes:
        return False
    return confidence_step(found.confidence) >= least_step(asked.min_confidence)
