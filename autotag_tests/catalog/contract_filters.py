"""Which images a filter lets through: the meaning is `domain/catalog_filters.py`, and every store has to agree with it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotag.catalog.protocol import Catalog, Sought
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter, image_passes, object_passes
from autotag_tests.catalog.made_entries import (
    EAST,
    NOON,
    an_image,
    an_object,
    any_vector,
    everything,
    files,
    towards,
)

CLASSES = ["dog", "cat", ""]
TAGS = ["a", "b", "c"]
FOLDERS = ["walks", "walks/may", "walks2"]
DAYS = [NOON + timedelta(days=day) for day in range(4)]

objects = st.builds(
    lambda name, confidence, seed: (name, confidence, any_vector(seed)),
    st.sampled_from(CLASSES),
    st.sampled_from([0.0, 0.299, 0.3, 0.301, 0.5, 1.0]),
    st.integers(0, 1000),
)
images = st.lists(
    st.tuples(
        st.sampled_from(FOLDERS),
        st.lists(st.sampled_from(TAGS), unique=True, max_size=2),
        st.lists(objects, max_size=3),
        st.one_of(st.none(), st.sampled_from(DAYS)),
    ),
    max_size=12,
)
filters = st.builds(
    CatalogFilter,
    folder=st.sampled_from(["", "", "walks", "walks/may", "nowhere"]),
    tags=st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    classes=st.lists(st.sampled_from(CLASSES), max_size=2, unique=True).map(tuple),
    min_confidence=st.sampled_from([0, 0, 0.3, 0.305, 0.5, 1]),
    since=st.sampled_from([None, None, DAYS[0], DAYS[1]]),
    until=st.sampled_from([None, None, DAYS[2], DAYS[3]]),
)


def built(drawn: list) -> list[CatalogImage]:
    return [
        an_image(
            f"{number}.jpg",
            folder,
            any_vector(number),
            tags,
            [an_object(place, *each) for place, each in enumerate(found, 1)],
            taken,
        )
        for number, (folder, tags, found, taken) in enumerate(drawn)
    ]


def expected(images: list[CatalogImage], sought: Sought, asked: CatalogFilter) -> set[tuple[str, int]]:
    """Regions that a search may find."""
    found = set()
    for image in images:
        if sought != "object" and image_passes(image, asked):
            found.add((image.image_id, 0))
        for each in image.objects:
            if sought == "object" and object_passes(image, each, asked):
                found.add((image.image_id, each.region_index))
            if sought == "any" and image_passes(image, asked):
                found.add((image.image_id, each.region_index))
    return found


class FilterContract:
    @settings(
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(images, st.lists(filters, min_size=1, max_size=4))
    def test_every_filter_means_what_the_definition_says(
        self, catalog: Catalog, drawn: list, asked: list[CatalogFilter]
    ) -> None:
        catalog.delete([each.image_id for each in everything(catalog)])
        stored = built(drawn)
        catalog.upsert(stored)
        for each in asked:
            self.check(catalog, stored, each)

    @staticmethod
    def check(catalog: Catalog, stored: list[CatalogImage], asked: CatalogFilter) -> None:
        passing = [image for image in stored if image_passes(image, asked)]
        assert catalog.count(asked) == len(passing)
        assert catalog.page(where=asked) == sorted(passing, key=lambda image: image.image_id)
        assert {each.tag: each.images for each in catalog.tags(asked)} == {
            tag: sum(tag in image.tags for image in passing) for image in passing for tag in image.tags
        }
        for sought in ("image", "object", "any"):
            found = {(hit.image_id, hit.region_index) for hit in catalog.search(EAST, 100, sought, asked)}
            assert found == expected(stored, sought, asked)

    def test_a_filter_that_k_images_pass_gives_k_hits_however_far_they_are(self, catalog: Catalog) -> None:
        near = [an_image(f"near{n}", embedding=towards(n / 10), tags=["near"]) for n in range(100)]
        far = [an_image(f"far{n}", embedding=towards(170 + n), tags=["far"]) for n in range(5)]
        catalog.upsert(near + far)
        asked = CatalogFilter(tags=("far",))
        assert files(catalog.search(EAST, 5, "image", asked)) == [f"far{n}" for n in range(5)]

    def test_a_folder_is_itself_and_what_lies_below(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(folder, folder) for folder in ("walks", "walks/may", "walks2", "old/walks")])
        found = catalog.search(EAST, 10, where=CatalogFilter(folder="walks"))
        assert sorted(files(found)) == ["walks", "walks/may"]

    def test_class_and_confidence_speak_of_the_same_object(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(objects=[an_object(1, "dog", 0.2), an_object(2, "cat", 0.9)])])
        assert catalog.count(CatalogFilter(classes=("dog",), min_confidence=0.5)) == 0
        assert catalog.count(CatalogFilter(classes=("dog", "cat"), min_confidence=0.5)) == 1

    def test_dates_count_from_since_and_end_before_until(self, catalog: Catalog) -> None:
        catalog.upsert([an_image("taken", taken_at=DAYS[1]), an_image("added", added_at=DAYS[2])])

        def found(since: datetime | None, until: datetime | None) -> list[str]:
            return sorted(files(catalog.search(EAST, 9, where=CatalogFilter(since=since, until=until))))

        assert found(DAYS[1], DAYS[2]) == ["taken"]
        assert found(DAYS[2], None) == ["added"]
        assert found(None, DAYS[1]) == []
        assert found(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)) == ["added", "taken"]

    def test_dates_are_compared_across_time_zones(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(taken_at=NOON)])
        elsewhere = timezone(timedelta(hours=-8))
        assert catalog.count(CatalogFilter(since=NOON.astimezone(elsewhere))) == 1
        assert catalog.count(CatalogFilter(since=(NOON + timedelta(seconds=1)).astimezone(elsewhere))) == 0

    def test_images_that_are_left_out_are_not_found(self, catalog: Catalog) -> None:
        stored = [an_image(f"{n}", embedding=towards(n)) for n in range(4)]
        catalog.upsert(stored)
        asked = CatalogFilter(without=(stored[0].image_id, stored[2].image_id, "unknown"))
        assert files(catalog.search(EAST, 2, where=asked)) == ["1", "3"]
        assert catalog.count(asked) == 2

    @pytest.mark.parametrize("sought", ["image", "object", "any"])
    def test_a_filter_that_nothing_passes_finds_nothing(self, catalog: Catalog, sought: Sought) -> None:
        catalog.upsert([an_image(objects=[an_object(1)])])
        assert catalog.search(EAST, 10, sought, CatalogFilter(tags=("absent",))) == []
