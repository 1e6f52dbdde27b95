"""Search over the tagged archive through its reference index, with the answers of a catalog's search.

The index knows no filters, no dates and no background: a request with a filter is refused, and answers are cut by
`min_score` alone.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autotag.catalog.protocol import Sought
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import UsageError
from autotag.models.protocols import Vectors
from autotag.reference.hits import NO_ROW
from autotag.search.answers import FoundRegion, SearchAnswer, SearchHit, Wanted
from autotag.search.page_keys import RankedKey
from autotag.search.query_vectors import Examples, query_vector
from autotag.search.ranked_images import GROWTH, RankedImage, ranked_page
from autotag.search.reference_reader import Reference
from autotag.search.text_vectors import TextVectors

MOST_REGIONS = 100_000
"""Regions that a search looks at; pages end where they are used up."""


class ReferenceSearch:
    """Searches one release. Threads may share it.

    All searches raise `UsageError` for a filter, for a k below 1 or beyond `MOST_REGIONS`, a `min_score` outside [-1, 1], or a
    `next` that is none.
    """

    def __init__(self, reference: Reference, texts: TextVectors) -> None:
        """`texts` are vectors of queries, of the release's model."""
        self.reference = reference
        self.texts = texts

    def text(self, query: str, wanted: Wanted | None = None) -> SearchAnswer:
        """Archive images that words describe, by their best region.

        Raises:
            UsageError: an empty query, or a model without a text side.
        """
        return self._ranked(self.texts.of(query), wanted or Wanted(), "any")

    def objects(self, query: str, wanted: Wanted | None = None) -> SearchAnswer:
        """Archive images with an object that words describe, each with its best one.

        Raises:
            UsageError: an empty query, or a model without a text side.
        """
        return self._ranked(self.texts.of(query), wanted or Wanted(), "object")

    def similar(
        self, examples: Examples, wanted: Wanted | None = None, *, text: str = "", sought: Sought = "any"
    ) -> SearchAnswer:
        """Archive images like pictures, or like words and pictures, and unlike others; see `CatalogSearch.similar`.

        Raises:
            UsageError: nothing to look for, a weight outside its range, or examples that cancel each other out.
        """
        words = self.texts.of(text) if text.strip() else examples.words
        return self._ranked(query_vector(replace(examples, words=words)), wanted or Wanted(), sought)

    def hybrid(self, query: str | None = None, wanted: Wanted | None = None) -> SearchAnswer:
        """The search by words: the archive has neither filters nor dates.

        Raises:
            UsageError: no words, or a model without a text side.
        """
        return self.text(query or "", wanted)

    def _ranked(self, vector: Vectors, wanted: Wanted, sought: Sought) -> SearchAnswer:
        most = min(MOST_REGIONS, self.reference.searcher.rows)
        _check(wanted)
        after = RankedKey.of(wanted.after) if wanted.after else None
        if not most:
            return SearchAnswer((), wanted.min_score, None)
        page = ranked_page(
            lambda count: self._regions(vector, count, sought), wanted.k, most, after, wanted.min_score
        )
        if (
            wanted.min_score is not None
            and page.best_score is not None
            and page.best_score < wanted.min_score
        ):
            return SearchAnswer((), wanted.min_score, page.best_score)
        following = page.next.text() if page.next else ""
        return SearchAnswer(self._hits(page.images), wanted.min_score, page.best_score, following)

    def _regions(self, vector: Vectors, count: int, sought: Sought) -> list["_ArchiveRegion"]:
        """The best regions of a kind: fewer than `count` only where there are no more, or no more are looked at."""
        most = min(MOST_REGIONS, self.reference.searcher.rows)
        asked = count
        while True:
            hits = self.reference.searcher.search(vector[None], asked)
            rows = hits.rows[0][hits.rows[0] != NO_ROW]
            described = self.reference.mapping.described(rows).to_pylist()
            scores = hits.similarity[0].tolist()
            found = [
                _ArchiveRegion(score, f"{region['shard']}/{region['key']}", row, region)
                for score, row, region in zip(scores, rows.tolist(), described, strict=False)
                if sought in ("any", region["kind"])
            ]
            if len(found) >= count or len(rows) < asked or asked >= most:
                return found[:count]
            asked = min(asked * GROWTH, most)

    def _hits(self, images: list[RankedImage["_ArchiveRegion"]]) -> tuple[SearchHit, ...]:
        mapping = self.reference.mapping
        numbers = mapping.images_of(np.array([each.best.row for each in images], np.int64))
        tags = mapping.tags_of(numbers)
        whole = mapping.images(numbers, ["first_row"])["first_row"].to_numpy().astype(np.int64)
        frames = mapping.regions(whole, ["box_xyxy_px"])["box_xyxy_px"].to_pylist()
        return tuple(
            _hit(found, tuple(tags[place]), frames[place][2], frames[place][3])
            for place, found in enumerate(images)
        )


class _ArchiveRegion(NamedTuple):
    score: float
    image_id: str
    row: int
    region: dict[str, Any]


def _hit(found: RankedImage[_ArchiveRegion], tags: tuple[str, ...], width: int, height: int) -> SearchHit:
    region = found.best.region
    index = int(region["region_id"].rpartition("-")[2])
    x0, y0, x1, y1 = region["box_xyxy_px"]
    return SearchHit(
        image_id=found.best.image_id,
        media_id=region["media_id"],
        folder=region["shard"],
        file=region["key"],
        width=width,
        height=height,
        tags=tags,
        taken_at=None,
        added_at=None,
        score=found.score,
        regions=(FoundRegion(index, (x0, y0, x1, y1), "", 1.0, found.score),),
    )


def _check(wanted: Wanted) -> None:
    if wanted.where != CatalogFilter():
        raise UsageError("the archive's index knows no filters; leave them out, or search the catalog")
    if not 1 <= wanted.k <= MOST_REGIONS:
        raise UsageError(f"k is {wanted.k}; ask for 1 to {MOST_REGIONS}")
    if wanted.min_score is not None and not -1 <= wanted.min_score <= 1:
        raise UsageError(f"min_score is {wanted.min_score}; give -1 to 1")
