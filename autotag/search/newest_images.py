"""The newest images of a catalog that pass a filter, page after page.

A catalog pages by id, and counts by any filter: how far back a page reaches is found by counting, so that no more images
are read than lie in that stretch of time, whatever the store.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.search.page_keys import NewestKey

READ_AT_ONCE = 500
"""Images of a stretch of time that are read and sorted here; more where a page is longer."""

_STEP = timedelta(microseconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
"""A camera whose clock is wrong dates its photographs anywhere between, to the second."""

_LADDER_DAYS = (1, 30, 365, 3650, 36_500)
"""Stretches back from now that are tried first: nearly all photographs are of these years."""


def newest_page(
    catalog: Catalog, k: int, where: CatalogFilter, after: NewestKey | None
) -> list[CatalogImage]:
    """The k newest images that come after a place, newest first, equal dates by id; fewer where there are no more."""
    since, until = where.since or _EARLIEST, where.until or _LATEST
    found: list[CatalogImage] = []
    if after is not None:
        if since <= after.date < until:
            found = _of_instant(catalog, where, after.date, k, after.image_id)
        until = min(until, after.date)
    while len(found) < k and since < until:
        start, count = _stretch(catalog, where, since, until, k - len(found))
        if count <= max(k, READ_AT_ONCE):
            found += _of_stretch(catalog, replace(where, since=start, until=until), count)
        else:
            found += _of_instant(catalog, where, start, k - len(found), "")
        until = start
    return found[:k]


def _stretch(
    catalog: Catalog, where: CatalogFilter, since: datetime, until: datetime, k: int
) -> tuple[datetime, int]:
    """Start of a stretch that ends at `until`, and how many images it holds: at most `READ_AT_ONCE`, or a single instant.

    Fewer than k only where one more instant would be too many, or where there are no more.
    """

    def held(start: datetime) -> int:
        return catalog.count(replace(where, since=start, until=until))

    most = max(k, READ_AT_ONCE)
    early, late = since, until  # [early, until) holds too many, [late, until) too few
    too_many, too_few = held(since), 0
    if too_many <= most:
        return since, too_many
    ladder = [datetime.now(UTC) - timedelta(days=days) for days in _LADDER_DAYS]
    while late - early > _STEP:
        middle = next((each for each in ladder if early < each < late), early + (late - early) / 2)
        count = held(middle)
        if k <= count <= most:
            return middle, count
        if count > most:
            early, too_many = middle, count
        else:
            late, too_few = middle, count
    return (early, too_many) if late == until else (late, too_few)


def _of_stretch(catalog: Catalog, where: CatalogFilter, count: int) -> list[CatalogImage]:
    images = catalog.page("", count, where) if count else []
    return sorted(images, key=lambda each: (-_microseconds(each.date), each.image_id))


def _of_instant(
    catalog: Catalog, where: CatalogFilter, date: datetime, k: int, after: str
) -> list[CatalogImage]:
    return catalog.page(after, k, replace(where, since=date, until=date + _STEP))


def _microseconds(date: datetime) -> int:
    return (date - _EARLIEST) // _STEP
