"""Filters in memory mean what the domain says they mean."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.catalog.protocol import Sought
from autotag.catalog.resident.region_columns import RegionColumns
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter, image_passes, object_passes
from autotag_tests.catalog.made_entries import NOON, an_image, an_object

NAMES, TAGS, CLASSES = "abcdef", ("dog", "beach", "it's"), ("dog", "cat", "")

objects = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from([0, 0.299, 0.3, 1])), max_size=3)
images = st.builds(
    lambda name, folder, tags, found, day: an_image(
        f"{name}.jpg",
        folder,
        tags=tags,
        objects=[an_object(index, *each) for index, each in enumerate(found, 1)],
        taken_at=NOON + timedelta(days=day) if day else None,
    ),
    st.sampled_from(NAMES),
    st.sampled_from(["walks", "walks__2026", "walks2", "w"]),
    st.lists(st.sampled_from(TAGS), unique=True),
    objects,
    st.integers(-2, 2),
)
filters = st.builds(
    CatalogFilter,
    folder=st.sampled_from(["", "walks", "walks/2026", "w", "nowhere", "\udc80"]),
    tags=st.lists(st.sampled_from([*TAGS, "unknown"]), max_size=2).map(tuple),
    classes=st.lists(st.sampled_from([*CLASSES, "unknown"]), max_size=2).map(tuple),
    min_confidence=st.sampled_from([0, 0.3, 0.5, 1]),
    since=st.sampled_from([None, NOON - timedelta(days=1)]),
    until=st.sampled_from([None, NOON + timedelta(microseconds=1), NOON + timedelta(days=1)]),
    without=st.lists(st.sampled_from([an_image("a.jpg").image_id, "never-was"]), max_size=2).map(tuple),
)


def may_be_found(image: CatalogImage, where: CatalogFilter, sought: Sought) -> set[tuple[str, int]]:
    indices = [0] if sought != "object" and image_passes(image, where) else []
    if sought == "any" and indices:
        indices += [each.region_index for each in image.objects]
    elif sought == "object":
        indices = [each.region_index for each in image.objects if object_passes(image, each, where)]
    return {(image.image_id, index) for index in indices}


class TestRegionColumns:
    @settings(max_examples=300)
    @given(
        given=st.lists(images, max_size=12),
        gone=st.sampled_from(NAMES),
        where=filters,
        sought=st.sampled_from(["image", "object", "any"]),
    )
    def test_what_passes_is_what_the_domain_lets_pass(
        self, given: list[CatalogImage], gone: str, where: CatalogFilter, sought: Sought
    ) -> None:
        columns = RegionColumns()
        for number, image in enumerate(given):
            columns.add([number], [image])
        left = an_image(f"{gone}.jpg").image_id
        columns.drop([left, "never-was"])
        there = {each.image_id: each for each in given if each.image_id != left}
        mask = columns.passing_regions(where, sought)
        positions = np.arange(columns.regions) if mask is None else np.flatnonzero(mask)
        hits = columns.hits(positions, np.zeros(len(positions), np.float32))
        right = set().union(*(may_be_found(each, where, sought) for each in there.values()))
        assert {(hit.image_id, hit.region_index) for hit in hits} == right
        assert len(hits) == len(right)
        passing = np.flatnonzero(columns.passing_images(where))
        assert {columns.facts[each].image_id for each in passing} == {
            each.image_id for each in there.values() if image_passes(each, where)
        }

    def test_an_image_comes_back_as_it_was_given(self) -> None:
        given = an_image(tags=("dog",), objects=[an_object(1), an_object(4, "cat", 0.123)], taken_at=NOON)
        columns = RegionColumns()
        columns.add([1, 2], [an_image("other.jpg", objects=[an_object(1)]), given])
        positions = columns.regions_of(given.image_id)
        assert positions.tolist() == [2, 3, 4]
        assert columns.image(positions, np.zeros((3, 8), np.float32)) == given
        assert columns.regions_of("never-was").tolist() == []

    @pytest.mark.parametrize("times", [1, 3])
    def test_one_that_is_written_again_counts_once(self, times: int) -> None:
        columns = RegionColumns()
        for edition in range(times):
            columns.add([edition], [an_image(objects=[an_object(1)])])
        assert columns.gone == times - 1
        assert columns.passing_images(CatalogFilter()).sum() == 1
        assert columns.regions == 2 * times
