"""From ranked regions to ranked images: one result an image, as many as were asked for, page after page."""

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

from autotag.search.answers import SCORE_DIGITS
from autotag.search.page_keys import RankedKey

REGIONS_AN_IMAGE = 4
"""Neighbours asked for each image wanted: several regions of one image may stand side by side."""

GROWTH = 4
"""Times as many are asked for where they were not enough."""


class ScoredRegion(Protocol):
    """A region as a store finds it: its cosine with the query, and the image it lies in."""

    @property
    def score(self) -> float:
        """Cosine of the query and the region."""
        ...

    @property
    def image_id(self) -> str:
        """Of its image."""
        ...


Region = TypeVar("Region", bound=ScoredRegion)


class RankedImage(NamedTuple, Generic[Region]):
    """An image by its best region, with the score rounded as pages are cut."""

    score: float
    best: Region


class RankedPage(NamedTuple, Generic[Region]):
    """A page.

    Attributes:
        images: best first, equal scores by id.
        best_score: of the best image of all that were seen, None where there is none.
        next: where the page ended; None where nothing follows.
    """

    images: list[RankedImage[Region]]
    best_score: float | None
    next: RankedKey | None


def ranked_page(
    search: Callable[[int], list[Region]], k: int, most: int, after: RankedKey | None, least: float | None
) -> RankedPage[Region]:
    """The k images that come after a place.

    Args:
        search: the so many best regions, best first; fewer only where there are no more.
        k: images wanted, 1 or more.
        most: regions that can be asked for; pages end where they are used up.
        after: where the page before ended; None for the first page.
        least: score that an image of the page has at least; None for any.
    """
    seen = after.seen if after else 0
    wanted = min((seen + k + 1) * REGIONS_AN_IMAGE, most)
    while True:
        regions = search(wanted)
        is_all = len(regions) < wanted or wanted >= most
        images = _by_image(regions)
        settled = images if is_all else _settled(images, regions[-1].score)
        following = [each for each in settled if _follows(each, after)]
        if is_all or len(following) > k:
            break
        wanted = min(wanted * GROWTH, most)
    page = [each for each in following[:k] if least is None or each.score >= least]
    ends = len(page) < k or len(following) <= k
    last = None if ends else RankedKey(page[-1].score, page[-1].best.image_id, seen + k)
    return RankedPage(page, images[0].score if images else None, last)


def _by_image(regions: Iterable[Region]) -> list[RankedImage[Region]]:
    best: dict[str, Region] = {}
    for region in regions:
        best.setdefault(region.image_id, region)
    images = [RankedImage(round(float(each.score), SCORE_DIGITS), each) for each in best.values()]
    return sorted(images, key=lambda each: (-each.score, each.best.image_id))


def _settled(images: list[RankedImage[Region]], last_score: float) -> list[RankedImage[Region]]:
    """Images that more regions would not move: one with the score of the last region may have others before it."""
    edge = round(float(last_score), SCORE_DIGITS)
    return [each for each in images if each.score > edge]


def _follows(image: RankedImage[Region], after: RankedKey | None) -> bool:
    return after is None or (-image.score, image.best.image_id) > (-after.score, after.image_id)
