"""What is nearest."""

from datetime import timedelta

import numpy as np
import pytest

from autotag.catalog.protocol import Catalog
from autotag.errors import UsageError
from autotag_tests.catalog.made_entries import (
    DIM,
    EAST,
    NOON,
    an_image,
    an_object,
    any_vector,
    files,
    many_images,
    towards,
)

CLOSE = 1.5e-3
"""Scores of two stores differ by their rounding."""


class SearchContract:
    def test_the_nearest_come_first_with_their_cosine(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(f"{angle}", embedding=towards(angle)) for angle in (60, 0, 120, 30)])
        found = catalog.search(EAST, 10, "image")
        assert files(found) == ["0", "30", "60", "120"]
        assert [hit.score for hit in found] == pytest.approx([1, 0.866, 0.5, -0.5], abs=CLOSE)
        assert files(catalog.search(EAST, 2, "image")) == ["0", "30"]

    def test_a_hit_tells_all_of_its_region(self, catalog: Catalog) -> None:
        taken = NOON - timedelta(days=900)
        image = an_image(
            "x.jpg", tags=("dog", "sea"), objects=[an_object(3, "dog", 0.75, towards(10))], taken_at=taken
        )
        catalog.upsert([image])
        (hit,) = catalog.search(towards(10), 5, "object")
        assert (hit.image_id, hit.media_id, hit.folder, hit.file) == (
            image.image_id,
            image.media_id,
            "walks",
            "x.jpg",
        )
        assert (hit.width, hit.height, hit.tags) == (100, 80, ("dog", "sea"))
        assert (hit.taken_at, hit.added_at) == (taken, NOON)
        assert (hit.region_index, hit.box_xyxy_px) == (3, (3, 2, 33, 40))
        assert (hit.class_name, hit.confidence) == ("dog", pytest.approx(0.75))
        assert hit.score == pytest.approx(1, abs=CLOSE)

    def test_the_whole_image_is_region_0(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        (hit,) = catalog.search(EAST, 5)
        assert (hit.region_index, hit.box_xyxy_px, hit.class_name, hit.confidence) == (
            0,
            (0, 0, 100, 80),
            "",
            1.0,
        )
        assert hit.taken_at is None

    def test_images_objects_or_both_are_sought(self, catalog: Catalog) -> None:
        objects = [an_object(1, embedding=towards(20)), an_object(2, embedding=towards(40))]
        catalog.upsert([an_image(embedding=towards(30), objects=objects)])

        def regions(sought: str) -> list[int]:
            return [hit.region_index for hit in catalog.search(EAST, 10, sought)]  # pyright: ignore[reportArgumentType]

        assert (regions("image"), regions("object"), regions("any")) == ([0], [1, 2], [1, 0, 2])

    def test_equal_scores_come_by_id_then_by_region(self, catalog: Catalog) -> None:
        images = [an_image(f"{n}", objects=[an_object(2), an_object(1)]) for n in range(6)]
        catalog.upsert(images[3:])
        catalog.upsert(images[:3])
        found = [(hit.image_id, hit.region_index) for hit in catalog.search(EAST, 100)]
        assert found == [(one, n) for one in sorted(each.image_id for each in images) for n in (0, 1, 2)]

    @pytest.mark.parametrize("k", [1, 7, 60, 1000])
    def test_k_regions_are_found_where_there_are_as_many(self, catalog: Catalog, k: int) -> None:
        catalog.upsert(many_images(20, objects=2))
        found = catalog.search(any_vector(5), k)
        assert len(found) == min(k, 60)
        assert len({(hit.image_id, hit.region_index) for hit in found}) == len(found)
        assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)

    def test_scores_are_the_cosines_of_the_vectors(self, catalog: Catalog) -> None:
        images = many_images(30, objects=2)
        catalog.upsert(images)
        query = any_vector(77)
        cosines = {
            (image.image_id, region): float(np.dot(vector, query))
            for image in images
            for region, vector in [(0, image.embedding)]
            + [(each.region_index, each.embedding) for each in image.objects]
        }
        found = catalog.search(query, 90)
        assert [hit.score for hit in found] == pytest.approx(
            [cosines[hit.image_id, hit.region_index] for hit in found], abs=CLOSE
        )
        assert {(hit.image_id, hit.region_index) for hit in found} == set(cosines)

    def test_a_new_vector_replaces_the_old(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(embedding=towards(0))])
        catalog.upsert([an_image(embedding=towards(90))])
        (hit,) = catalog.search(EAST, 10)
        assert hit.score == pytest.approx(0, abs=CLOSE)

    def test_the_first_and_the_last_k_are_allowed(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        assert len(catalog.search(EAST, 1)) == len(catalog.search(EAST, catalog.capabilities.max_k)) == 1
        for k in (0, -1, catalog.capabilities.max_k + 1):
            with pytest.raises(UsageError, match="ask for 1 to"):
                catalog.search(EAST, k)

    @pytest.mark.parametrize(
        "vector", [np.ones(DIM - 1, np.float32), np.zeros(DIM, np.float32), np.full(DIM, np.nan, np.float32)]
    )
    def test_a_query_that_is_no_direction_is_refused(self, catalog: Catalog, vector: np.ndarray) -> None:
        with pytest.raises(UsageError, match="the query's vector"):
            catalog.search(vector, 1)
