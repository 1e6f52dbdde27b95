"""Getting, counting, paging and sampling."""

import numpy as np

from autotag.catalog.protocol import Catalog, CatalogSize, TagCount
from autotag.domain.catalog_filters import CatalogFilter
from autotag_tests.catalog.made_entries import (
    DIM,
    EAST,
    MODEL,
    NOON,
    an_image,
    an_object,
    everything,
    files,
    many_images,
)


class ReadingContract:
    def test_it_says_what_it_can(self, catalog: Catalog) -> None:
        assert isinstance(catalog, Catalog)
        assert catalog.model_id == MODEL
        assert catalog.capabilities.max_k >= 1000
        assert catalog.capabilities.exact_below >= 0
        assert catalog.capabilities.name

    def test_an_empty_catalog_answers(self, catalog: Catalog) -> None:
        asked = CatalogFilter(tags=("a",))
        assert catalog.search(EAST, 10) == []
        assert catalog.search(EAST, 10, "object", asked) == []
        assert catalog.get(["nothing"]) == [None]
        assert (catalog.count(), catalog.count(asked)) == (0, 0)
        assert catalog.size() == CatalogSize(0, 0, 0)
        assert (catalog.tags(), catalog.page(), catalog.ids_in("walks")) == ([], [], {})
        assert catalog.sample(5).shape == (0, DIM)
        catalog.optimise()

    def test_get_answers_in_order_with_none_for_the_unknown(self, catalog: Catalog) -> None:
        first, second = an_image("a.jpg"), an_image("b.jpg")
        catalog.upsert([first, second])
        asked = [second.image_id, "unknown", first.image_id, second.image_id]
        assert catalog.get(asked) == [second, None, first, second]
        assert catalog.get([]) == []

    def test_ids_of_a_folder_are_those_directly_in_it(self, catalog: Catalog) -> None:
        inside = an_image(folder="walks")
        catalog.upsert(
            [inside, an_image(folder="walks/may"), an_image(folder="walks2"), an_image(folder="w")]
        )
        assert catalog.ids_in("walks") == {inside.image_id: NOON}
        assert catalog.ids_in("walk_") == {}

    def test_count_and_size(self, catalog: Catalog) -> None:
        catalog.upsert(many_images(10, objects=3))
        assert (catalog.size().images, catalog.size().objects) == (10, 30)
        assert catalog.count() == 10
        assert catalog.count(CatalogFilter(tags=("even",))) == 5
        assert catalog.count(CatalogFilter(classes=("dog",))) == 10

    def test_tags_come_by_frequency_then_by_name(self, catalog: Catalog) -> None:
        catalog.upsert(
            [
                an_image("a", tags=["dog", "beach"]),
                an_image("b", tags=["dog", "ant"], objects=[an_object(1), an_object(2)]),
                an_image("c", folder="other", tags=["dog", "zebra"]),
            ]
        )
        expected = [TagCount("dog", 3), TagCount("ant", 1), TagCount("beach", 1), TagCount("zebra", 1)]
        assert catalog.tags() == expected
        assert catalog.tags(limit=2) == expected[:2]
        assert catalog.tags(CatalogFilter(folder="other")) == [TagCount("dog", 1), TagCount("zebra", 1)]

    def test_pages_walk_over_all_images_by_id(self, catalog: Catalog) -> None:
        images = sorted(many_images(25), key=lambda each: each.image_id)
        catalog.upsert(images)
        assert catalog.page(limit=10) == images[:10]
        assert catalog.page(after=images[9].image_id, limit=10) == images[10:20]
        assert catalog.page(after=images[19].image_id, limit=10) == images[20:]
        assert catalog.page(after=images[24].image_id) == []

    def test_a_page_of_none_is_empty(self, catalog: Catalog) -> None:
        catalog.upsert(many_images(3))
        assert catalog.page(limit=0) == []
        assert catalog.tags(limit=0) == []
        assert catalog.sample(0).shape == (0, DIM)

    def test_pages_hold_what_passes(self, catalog: Catalog) -> None:
        images = sorted(many_images(30), key=lambda each: each.image_id)
        catalog.upsert(images)
        rare = [each for each in images if "rare" in each.tags]
        asked = CatalogFilter(tags=("rare",))
        assert catalog.page(limit=2, where=asked) == rare[:2]
        assert catalog.page(after=rare[1].image_id, limit=2, where=asked) == rare[2:]

    def test_a_page_goes_on_when_the_image_it_ended_with_is_gone(self, catalog: Catalog) -> None:
        images = sorted(many_images(6), key=lambda each: each.image_id)
        catalog.upsert(images)
        catalog.delete([images[2].image_id])
        assert catalog.page(after=images[2].image_id) == images[3:]

    def test_a_sample_is_drawn_from_the_regions_and_stays_the_same(self, catalog: Catalog) -> None:
        catalog.upsert(many_images(40, objects=1))
        drawn = catalog.sample(25)
        assert (drawn.shape, drawn.dtype) == ((25, DIM), np.float32)
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-2)
        np.testing.assert_array_equal(catalog.sample(25), drawn)
        assert len(np.unique(drawn, axis=0)) == 25

    def test_a_sample_has_at_most_all_regions_of_the_kind(self, catalog: Catalog) -> None:
        catalog.upsert(many_images(4, objects=2))
        assert [len(catalog.sample(100, sought)) for sought in ("image", "object", "any")] == [4, 8, 12]

    def test_close_can_be_called(self, catalog: Catalog) -> None:
        catalog.upsert([an_image()])
        assert files(everything(catalog)) == ["a.jpg"]
        catalog.close()
