"""Upserting and deleting."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from autotag.catalog.protocol import Catalog, CatalogSize
from autotag.errors import UsageError
from autotag_tests.catalog.made_entries import (
    DIM,
    EAST,
    NOON,
    NORTH,
    an_image,
    an_object,
    everything,
    files,
    many_images,
)

LATER = NOON + timedelta(days=3)


class WritingContract:
    def test_what_was_given_comes_back(self, catalog: Catalog) -> None:
        given = an_image(
            tags=("dog", "beach"), objects=[an_object(1), an_object(2, "", 0.25)], taken_at=LATER
        )
        outcome = catalog.upsert([given])
        assert (outcome.inserted, outcome.updated, outcome.objects) == (1, 0, 2)
        assert catalog.get([given.image_id]) == [given]

    def test_vectors_come_back_within_the_precision_of_the_store(self, catalog: Catalog) -> None:
        given = many_images(1, objects=3)[0]
        catalog.upsert([given])
        (got,) = catalog.get([given.image_id])
        assert got is not None
        assert got.embedding.dtype == np.float32
        np.testing.assert_allclose(got.embedding, given.embedding, atol=1e-3)
        for before, after in zip(given.objects, got.objects, strict=True):
            np.testing.assert_allclose(after.embedding, before.embedding, atol=1e-3)

    def test_an_image_without_objects_and_tags(self, catalog: Catalog) -> None:
        given = an_image()
        catalog.upsert([given])
        assert catalog.get([given.image_id]) == [given]

    def test_upserting_again_changes_nothing(self, catalog: Catalog) -> None:
        given = many_images(5)
        catalog.upsert(given)
        again = catalog.upsert(given)
        assert (again.inserted, again.updated) == (0, 5)
        assert catalog.size().images == 5
        assert everything(catalog) == sorted(given, key=lambda each: each.image_id)

    def test_added_at_stays_when_an_image_is_written_again(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        catalog.upsert([an_image(tags=["new"], added_at=LATER)])
        (got,) = everything(catalog)
        assert (got.tags, got.added_at) == (("new",), NOON)

    def test_objects_that_an_image_no_longer_has_leave(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(objects=[an_object(1), an_object(2, "cat"), an_object(3, "cat")])])
        catalog.upsert([an_image(objects=[an_object(2, "bus", embedding=NORTH)])])
        (got,) = everything(catalog)
        assert [(each.region_index, each.class_name) for each in got.objects] == [(2, "bus")]
        assert catalog.size() == CatalogSize(1, 1, catalog.size().index_rows)
        assert [hit.class_name for hit in catalog.search(EAST, 10, "object")] == ["bus"]

    def test_some_new_and_some_known(self, catalog: Catalog) -> None:
        images = many_images(6)
        catalog.upsert(images[:4])
        outcome = catalog.upsert(images[2:])
        assert (outcome.inserted, outcome.updated, outcome.objects) == (2, 2, 8)

    def test_nothing_to_upsert(self, catalog: Catalog) -> None:
        outcome = catalog.upsert([])
        assert (outcome.inserted, outcome.updated, outcome.objects) == (0, 0, 0)

    def test_the_same_bytes_in_two_places_are_two_images(self, catalog: Catalog) -> None:
        here, there = an_image("a.jpg"), replace(an_image("b.jpg"), media_id=an_image("a.jpg").media_id)
        catalog.upsert([here, there])
        assert catalog.size().images == 2

    def test_an_id_twice_is_refused_and_nothing_is_written(self, catalog: Catalog) -> None:
        with pytest.raises(UsageError, match="twice"):
            catalog.upsert([an_image("b.jpg"), an_image(), an_image()])
        assert catalog.size().images == 0

    @pytest.mark.parametrize(
        "vector",
        [
            np.ones(DIM + 1, np.float32),
            np.zeros(DIM, np.float32),
            np.full(DIM, np.nan, np.float32),
            np.ones((1, DIM), np.float32),
        ],
        ids=["longer", "zero", "nan", "two axes"],
    )
    def test_a_vector_that_is_none_is_refused(self, catalog: Catalog, vector: np.ndarray) -> None:
        with pytest.raises(UsageError, match=r"a\.jpg"):
            catalog.upsert([an_image(objects=[an_object(1, embedding=vector)])])
        assert catalog.size().images == 0

    def test_text_that_is_no_unicode_is_refused(self, catalog: Catalog) -> None:
        with pytest.raises(UsageError, match="cannot be stored"):
            catalog.upsert([an_image(tags=["good", "bad\udc80"])])
        assert catalog.size().images == 0

    def test_a_region_index_below_one_or_twice_is_refused(self, catalog: Catalog) -> None:
        for objects in ([an_object(0)], [an_object(2), an_object(2)]):
            with pytest.raises(UsageError, match="region"):
                catalog.upsert([an_image(objects=objects)])
        assert catalog.size().images == 0

    def test_deleted_images_leave_with_their_objects(self, catalog: Catalog) -> None:
        images = many_images(5)
        catalog.upsert(images)
        assert catalog.delete([images[1].image_id, images[3].image_id, "never-was"]) == 2
        assert catalog.get([each.image_id for each in images[:2]]) == [images[0], None]
        assert (catalog.size().images, catalog.size().objects) == (3, 6)
        assert len(catalog.search(EAST, 100)) == 9

    def test_deleting_twice_and_deleting_nothing(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        assert catalog.delete([]) == 0
        assert catalog.delete([an_image().image_id, an_image().image_id]) == 1
        assert catalog.delete([an_image().image_id]) == 0

    def test_a_deleted_image_that_comes_again_is_new(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        catalog.delete([an_image().image_id])
        assert catalog.upsert([an_image(added_at=LATER)]).inserted == 1
        assert everything(catalog)[0].added_at == LATER

    def test_optimise_changes_nothing_one_can_see(self, catalog: Catalog) -> None:
        images = many_images(20)
        catalog.upsert(images)
        catalog.delete([images[0].image_id])
        before = catalog.search(EAST, 100), everything(catalog)
        catalog.optimise()
        catalog.optimise()
        assert (catalog.search(EAST, 100), everything(catalog)) == before

    def test_a_large_batch(self, catalog: Catalog) -> None:
        images = many_images(700, objects=1)
        assert catalog.upsert(images).inserted == 700
        assert files(everything(catalog)) == files(sorted(images, key=lambda each: each.image_id))
