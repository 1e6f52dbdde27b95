"""What is asked of a search, and what it answers: one shape for the catalog and for the archive."""

from dataclasses import dataclass, field
from typing import Literal

from autotag.catalog.protocol import TagCount
from autotag.domain.catalog_entries import ImageFacts
from autotag.domain.catalog_filters import CatalogFilter

Over = Literal["catalog", "reference"]
"""The user's own images, or the tagged archive."""

SCORE_DIGITS = 6
"""Decimals of a score. Pages are cut between scores: finer differences are a store's rounding."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of an answer is wanted, and of which images.

    Attributes:
        k: images, 1 or more.
        where: images and objects that may be found.
        min_score: least score of an image, in [-1, 1]; None leaves it to the query's background whether there is an answer.
        after: `SearchAnswer.next` of the page before; empty for the first page.
    """

    k: int = 10
    where: CatalogFilter = field(default_factory=CatalogFilter)
    min_score: float | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """A region of an image that was found.

    Attributes:
        region_index: 0 for the whole image.
        box_xyxy_px: x0, y0, x1, y1, the last two exclusive.
        class_name: the detector's word; empty for the whole image and where the store keeps none.
        confidence: the detector's, in [0, 1]; 1 for the whole image and where the store keeps none.
        score: cosine of query and region, in [-1, 1].
    """

    region_index: int
    box_xyxy_px: tuple[int, int, int, int]
    class_name: str
    confidence: float
    score: float


@dataclass(frozen=True, slots=True)
class SearchHit(ImageFacts):
    """An image that was found.

    Attributes:
        score: of its best region; None where nothing was ranked.
        regions: those that were found, best first: one, or where objects are looked for all that match.
    """

    score: float | None
    regions: tuple[FoundRegion, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Images, best first; equal scores by id. Without anything to rank them by: newest first.

    Attributes:
        hits: none where nothing is there, or where the best one does not stand out from the background.
        cut: score that the best image had to reach; None where none was asked for.
        best_score: of the best image of the first page, shown or not; None where no image passes the filter or none was ranked.
        next: for the next page; empty where there is none.
        tagged: where the words found nothing and are a tag of images that pass the filter, that tag and how many have it.
    """

    hits: tuple[SearchHit, ...]
    cut: float | None
    best_score: float | None
    next: str = ""
    tagged: TagCount | None = None

    @property
    def abstained(self) -> bool:
        """Whether images passed the filter and none of them was good enough; a page beyond the last one is only empty."""
        return self.cut is not None and self.best_score is not None and self.best_score < self.cut
