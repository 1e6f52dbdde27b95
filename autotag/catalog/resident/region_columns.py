"""What filters ask of images and regions, and what hits show of them, in memory."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from autotag.catalog.protocol import CatalogHit, Sought, Vectors
from autotag.catalog.resident.growing_array import GrowingArray
from autotag.catalog.resident.vector_codes import Mask, Positions
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, ImageFacts
from autotag.domain.catalog_filters import CatalogFilter, confidence_step, is_below, least_step

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_HitRow = tuple[float, int, int, list[int], int, float]


class RegionColumns:
    """Images and their regions, numbered as they came. One that leaves keeps its numbers, and passes no filter."""

    def __init__(self) -> None:
        """Empty."""
        self.facts: list[ImageFacts] = []
        self.number_of: dict[str, int] = {}
        self.editions = GrowingArray(np.int64)
        self.is_there = GrowingArray(np.bool_)
        self._date_us = GrowingArray(np.int64)
        self._image_of = GrowingArray(np.int32)
        self._region_index = GrowingArray(np.int32)
        self._box_xyxy_px = GrowingArray(np.int32, 4)
        self._class = GrowingArray(np.int32)
        self._step = GrowingArray(np.int16)
        self._confidence = GrowingArray(np.float64)
        self._class_names: list[str] = []
        self._class_numbers: dict[str, int] = {}
        self._with_tag: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._in_folder: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))

    @property
    def regions(self) -> int:
        """Regions that there ever were."""
        return len(self._image_of.rows)

    @property
    def gone(self) -> int:
        """Images that left."""
        return len(self.facts) - len(self.number_of)

    def add(self, editions: Sequence[int], images: Sequence[CatalogImage]) -> None:
        """Images with their regions: each whole first, then its objects. One of the same id leaves."""
        self.drop([each.image_id for each in images])
        first = len(self.facts)
        for number, image in enumerate(images, first):
            self._add_image(number, image)
        self._add_regions(first, images)
        self.editions.extend(editions)
        self.is_there.extend(np.ones(len(images), np.bool_))
        self._date_us.extend([_microseconds(each.date) for each in images])

    def drop(self, image_ids: Iterable[str]) -> None:
        """Images leave; ids that are not there are passed over."""
        numbers = [self.number_of.pop(each) for each in image_ids if each in self.number_of]
        self.is_there.rows[numbers] = False

    def passing_images(self, where: CatalogFilter, *, by_objects: bool = True) -> Mask:
        """A bool for each image: whether it is there and passes.

        Args:
            where: the filter.
            by_objects: whether what it says of objects has to hold of any object of the image.
        """
        mask = self.is_there.rows.copy()
        if where.folder:
            mask &= self._holding(
                *(own for key, own in self._in_folder.items() if is_below(key, where.folder))
            )
        for tag in where.tags:
            mask &= self._holding(self._with_tag.get(tag, ()))
        if where.since:
            mask &= self._date_us.rows >= _microseconds(where.since)
        if where.until:
            mask &= self._date_us.rows < _microseconds(where.until)
        mask[[self.number_of[each] for each in where.without if each in self.number_of]] = False
        if by_objects and where.asks_objects:
            mask &= self._holding(self._image_of.rows[self._right_objects(where)])
        return mask

    def passing_regions(self, where: CatalogFilter, sought: Sought) -> Mask | None:
        """A bool for each region: whether a search may find it; None where it may find all."""
        if sought == "any" and not self.gone and where == CatalogFilter():
            return None
        mask: Mask = self.passing_images(where, by_objects=sought != "object")[self._image_of.rows]
        if sought == "image":
            mask &= self._region_index.rows == 0
        elif sought == "object":
            mask &= self._right_objects(where)
        return mask

    def hits(self, positions: Positions, scores: npt.NDArray[np.float32]) -> list[CatalogHit]:
        """Regions as hits, in their order."""
        columns = (self._image_of, self._region_index, self._box_xyxy_px, self._class, self._confidence)
        rows: Iterator[_HitRow] = zip(
            scores.tolist(), *(each.rows[positions].tolist() for each in columns), strict=True
        )
        return [
            CatalogHit(
                *self.facts[image].facts(),
                score=score,
                region_index=index,
                box_xyxy_px=(x0, y0, x1, y1),
                class_name=self._class_names[kind],
                confidence=confidence,
            )
            for score, image, index, (x0, y0, x1, y1), kind, confidence in rows
        ]

    def regions_of(self, image_id: str) -> Positions:
        """Positions of an image's regions, its whole first; none where it is not there."""
        number = self.number_of.get(image_id)
        if number is None:
            return np.zeros(0, np.int64)
        start, end = np.searchsorted(self._image_of.rows, (number, number + 1))
        return np.arange(start, end)

    def image(self, positions: Positions, vectors: Vectors) -> CatalogImage:
        """The image of these regions, which are all of its own and in order, with their vectors."""
        whole, *objects = self.hits(positions, np.zeros(len(positions), np.float32))
        return CatalogImage(
            *whole.facts(),
            embedding=vectors[0],
            objects=tuple(
                CatalogObject(each.region_index, each.box_xyxy_px, each.class_name, each.confidence, vector)
                for each, vector in zip(objects, vectors[1:], strict=True)
            ),
        )

    def _add_image(self, number: int, image: CatalogImage) -> None:
        self.facts.append(ImageFacts(*image.facts()))
        self.number_of[image.image_id] = number
        self._in_folder[image.folder].append(number)
        for tag in image.tags:
            self._with_tag[tag].append(number)

    def _add_regions(self, first: int, images: Sequence[CatalogImage]) -> None:
        wholes = [
            CatalogObject(0, (0, 0, each.width, each.height), "", 1.0, each.embedding) for each in images
        ]
        regions = [
            each for whole, image in zip(wholes, images, strict=True) for each in (whole, *image.objects)
        ]
        sizes = [1 + len(each.objects) for each in images]
        self._image_of.extend(np.repeat(np.arange(first, first + len(images)), sizes))
        self._region_index.extend([each.region_index for each in regions])
        self._box_xyxy_px.extend([each.box_xyxy_px for each in regions])
        self._class.extend([self._class_number(each.class_name) for each in regions])
        self._step.extend([confidence_step(each.confidence) for each in regions])
        self._confidence.extend([each.confidence for each in regions])

    def _right_objects(self, where: CatalogFilter) -> Mask:
        """A bool for each region: whether it is an object of the filter's classes and confidence."""
        mask = (self._region_index.rows > 0) & (self._step.rows >= least_step(where.min_confidence))
        if where.classes:
            numbers = [self._class_numbers[each] for each in where.classes if each in self._class_numbers]
            mask &= np.isin(self._class.rows, numbers)
        return mask

    def _holding(self, *numbers: npt.ArrayLike) -> Mask:
        """A bool for each image: whether it has one of these numbers."""
        mask = np.zeros(len(self.facts), np.bool_)
        for some in numbers:
            mask[np.asarray(some, np.int64)] = True
        return mask

    def _class_number(self, name: str) -> int:
        if name not in self._class_numbers:
            self._class_numbers[name] = len(self._class_names)
            self._class_names.append(name)
        return self._class_numbers[name]


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
