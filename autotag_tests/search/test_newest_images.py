"""Images by date from a store that pages by id: all of them, once, in order, without reading them all for one page."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.search import newest_images
from autotag.search.newest_images import newest_page
from autotag.search.page_keys import NewestKey
from autotag_tests.search.catalogs import DAWN, catalog_of, image

VECTOR = np.eye(16, dtype=np.float32)[0]


def dated(dates: list[datetime | None]) -> list[CatalogImage]:
    return [replace(image(number, VECTOR), taken_at=date) for number, date in enumerate(dates)]


def all_pages(catalog: InMemoryCatalog, k: int, where: CatalogFilter) -> list[str]:
    seen: list[str] = []
    after = None
    while page := newest_page(catalog, k, where, after):
        seen += [each.image_id for each in page]
        after = NewestKey(page[-1].date, page[-1].image_id)
    return seen


def by_date(images: list[CatalogImage]) -> list[str]:
    return [
        each.image_id for each in sorted(images, key=lambda each: (-each.date.timestamp(), each.image_id))
    ]


DATES = st.lists(
    st.none() | st.sampled_from([DAWN, DAWN + timedelta(microseconds=1), DAWN + timedelta(days=400)])
    | st.integers(0, 10**10).map(lambda s: datetime(1900, 1, 1, tzinfo=DAWN.tzinfo) + timedelta(seconds=s)),
    max_size=30,
)  # fmt: skip


@given(DATES, st.integers(1, 9), st.sampled_from([1, 3, 500]))
def test_pages_cover_everything_once_in_order(dates: list[datetime | None], k: int, at_once: int) -> None:
    images = dated(dates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newest_images, "READ_AT_ONCE", at_once)
        assert all_pages(catalog_of(images), k, CatalogFilter()) == by_date(images)


@pytest.mark.parametrize("year", [1, 1650, 2260, 9999])
def test_an_image_of_a_camera_whose_clock_is_wrong_is_listed_too(year: int) -> None:
    images = dated([datetime(year, 12, 31, 23, 59, 59, tzinfo=DAWN.tzinfo), DAWN, None])
    assert all_pages(catalog_of(images), 1, CatalogFilter()) == by_date(images)


@given(DATES, st.integers(0, 5000), st.integers(1, 5000))
def test_a_range_of_dates_holds(dates: list[datetime | None], start: int, days: int) -> None:
    where = CatalogFilter(
        since=DAWN + timedelta(days=start - 2500), until=DAWN + timedelta(days=start - 2500 + days)
    )
    assert where.since is not None
    assert where.until is not None
    images = dated(dates)
    passing = [each for each in images if where.since <= each.date < where.until]
    assert all_pages(catalog_of(images), 4, where) == by_date(passing)


def test_one_page_of_a_large_catalog_reads_no_more_than_a_stretch_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = dated([DAWN + timedelta(hours=number) for number in range(3000)])
    catalog = catalog_of(images)
    read: list[int] = []
    page = catalog.page
    counts: list[int] = []
    count = catalog.count
    monkeypatch.setattr(catalog, "page", lambda *args: (found := page(*args), read.append(len(found)))[0])
    monkeypatch.setattr(catalog, "count", lambda where: (counts.append(1), count(where))[1])
    assert [each.image_id for each in newest_page(catalog, 10, CatalogFilter(), None)] == by_date(images)[:10]
    assert sum(read) <= newest_images.READ_AT_ONCE
    assert len(counts) <= 20
