"""What clients ask: parameters and bodies of searches, checked, and what they mean to the engine."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotag.domain.catalog_filters import CatalogFilter
from autotag.search.answers import Over, Wanted
from autotag.search.page_keys import LONGEST_KEY
from autotag.serving.api.strict_query import Date, Query
from autotag.serving.api.wire import IMAGE_ID

MOST_HITS = 10_000
"""The settings may allow fewer of a search, and none allows more."""

LONGEST_QUERY = 2000
LONGEST_NAME = 1000
MOST_NAMES = 50

Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME)]
Names = Annotated[list[Name], Field(max_length=MOST_NAMES)]
Pixel = Annotated[int, Field(ge=0, le=2**31 - 1)]
Words = Annotated[str, StringConstraints(max_length=LONGEST_QUERY)]
Sought = Literal["any", "image", "object"]


def _example(**body: Any) -> ConfigDict:
    """What the documentation shows of a body."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Filters(Query):
    """Which images may be found; all conditions hold."""

    folder: Name = Field(default="", description="This folder and those below it.", examples=["trips/2024"])
    tags: Names = Field(default=[], description="The image has all of them.", examples=[["beach"]])
    classes: Names = Field(
        default=[], description="The image has an object of one of these classes.", examples=[["dog", "cat"]]
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Least confidence of such an object; without classes, of any object.",
    )

    def where(self, without: Sequence[str] = ()) -> CatalogFilter:
        """As the engine has it."""
        since, until = self.dates()
        return CatalogFilter(
            folder=self.folder.strip("/"),
            tags=tuple(self.tags),
            classes=tuple(self.classes),
            min_confidence=self.min_confidence,
            since=since,
            until=until,
            without=tuple(without),
        )

    def dates(self) -> tuple[datetime | None, datetime | None]:
        """From when, and until before when."""
        return None, None


class _Dated(Filters):
    since: Date | None = Field(
        default=None, description="Taken then or later; without a time zone, UTC. Where nobody knows: added."
    )
    until: Date | None = Field(default=None, description="Taken before that.")

    def dates(self) -> tuple[datetime | None, datetime | None]:
        return self.since, self.until


class DateRange(Query):
    """When images were taken, or added where nobody knows; either end may be left open."""

    since: Date | None = Field(default=None, description="Then or later.", examples=["2024-05-01T00:00:00Z"])
    until: Date | None = Field(default=None, description="Before that.", examples=["2024-06-01T00:00:00Z"])


class _Ranged(Filters):
    date_range: DateRange | None = None

    def dates(self) -> tuple[datetime | None, datetime | None]:
        return (self.date_range.since, self.date_range.until) if self.date_range else (None, None)


class _Page(Filters):
    k: int = Field(default=10, ge=1, le=MOST_HITS, description="Images wanted.")
    min_score: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Least score of an image. Without it the query's background tells whether there is an answer at all.",
    )
    after: str = Field(default="", max_length=LONGEST_KEY, description="`next` of the page before.")
    over: Over = Field(
        default="catalog", description="Your own images, or the tagged archive, which knows no filters."
    )

    def wanted(self, without: Sequence[str] = ()) -> Wanted:
        """As the engine has it.

        Raises:
            UsageError: a range of dates that ends before it begins.
        """
        return Wanted(self.k, self.where(without), self.min_score, self.after)


class TextQuery(_Page, _Dated):
    """`GET /search/text`."""

    q: Words = Field(min_length=1, description="What to look for.", examples=["a dog running on grass"])


class ImagesQuery(_Dated):
    """`GET /images`."""

    limit: int = Field(default=100, ge=1, le=MOST_HITS, description="Images of a page.")
    after: str = Field(default="", max_length=LONGEST_KEY, description="`next` of the page before.")


class TagsQuery(_Dated):
    """`GET /tags`."""

    limit: int = Field(default=1000, ge=1, le=10_000, description="Most tags told.")


class HybridQuery(_Page, _Ranged):
    """`POST /search/hybrid`: any subset of it."""

    model_config = _example(
        text_query="a dog",
        classes=["dog"],
        min_confidence=0.6,
        folder="trips",
        date_range={"since": "2024-05-01T00:00:00Z"},
    )

    text_query: Words | None = Field(
        default=None,
        description="What to look for; without it the newest images come first.",
        examples=["a dog"],
    )


class ObjectsQuery(_Page, _Ranged):
    """`POST /search/objects`."""

    model_config = _example(text="a red car", k=20, tags=["street"])

    text: Words = Field(min_length=1, description="What object to look for.", examples=["a red car"])


class SimilarQuery(_Page, _Ranged):
    """`POST /search/similar`, beside the file of a form."""

    model_config = _example(
        image_id=IMAGE_ID, box_xyxy_px=[10, 20, 110, 220], text="at night", text_weight=0.3
    )

    image_id: Name = Field(default="", description="An image of the catalog, instead of a file.")
    region_index: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="An object of that image; 0 is all of it."
    )
    box_xyxy_px: tuple[Pixel, Pixel, Pixel, Pixel] | None = Field(
        default=None,
        description="Part of the image or of the file: x0, y0, x1, y1 in its pixels, upright; the last two exclusive.",
        examples=[[10, 20, 110, 220]],
    )
    text: Words = Field(default="", description="Words that it should also be like.", examples=["at night"])
    unlike: Names = Field(default=[], description="Images of the catalog to keep away from.")
    text_weight: float = Field(default=0.5, ge=0, le=1, description="Of the words beside the picture.")
    unlike_weight: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Of what to keep away from; by itself 0.5 beside a picture, 0.15 beside words alone.",
    )
    sought: Sought = Field(
        default="any", description="Compare with objects only, with whole images only, or both."
    )
    with_itself: bool = Field(default=False, description="Whether the image itself may be among the answers.")
