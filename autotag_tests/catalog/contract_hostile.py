"""Names that would be something else in a query."""

import pytest

from autotag.catalog.protocol import Catalog, TagCount
from autotag.domain.catalog_filters import CatalogFilter
from autotag.domain.identity import folder_key
from autotag_tests.catalog.made_entries import EAST, an_image, an_object, files

HOSTILE = [
    "it's",
    "'; DROP TABLE regions; --",
    "' OR 1=1 --",
    'say "so"',
    "back\\slash",
    "back\\'slash'",
    "100%",
    "under_score",
    "star*?[a]",
    "{brace}",
    "日本語",
    "🐕‍🦺",
    "e\u0301",
    "tab\tline\nend",
    "nul\0",
    "null",
    "@50",
    " padded ",
    "a" * 2000,
]


class HostileContract:
    @pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:12]))
    def test_a_name_means_only_itself(self, catalog: Catalog, name: str) -> None:
        one = an_image(f"{name}.jpg", tags=[name], objects=[an_object(1, name)])
        catalog.upsert([one, an_image("other.jpg", "other", tags=["other"], objects=[an_object(1, "other")])])
        assert catalog.get([one.image_id]) == [one]
        for asked in (CatalogFilter(tags=(name,)), CatalogFilter(classes=(name,), min_confidence=0.5)):
            assert files(catalog.search(EAST, 10, "image", asked)) == [f"{name}.jpg"]
            assert files(catalog.search(EAST, 10, "object", asked)) == [f"{name}.jpg"]
            assert catalog.count(asked) == 1
        assert TagCount(name, 1) in catalog.tags()

    @pytest.mark.parametrize(
        "name", [*HOSTILE, "bytes\udcff\udc80", "..", "a..b", "a,b"], ids=lambda name: ascii(name[:12])
    )
    def test_a_folder_of_that_name_is_found(self, catalog: Catalog, name: str) -> None:
        own, below = folder_key(name), folder_key(f"{name}/inner")
        catalog.upsert([an_image("in.jpg", own), an_image("below.jpg", below), an_image("not.jpg", "other")])
        assert sorted(files(catalog.page(where=CatalogFilter(folder=name)))) == ["below.jpg", "in.jpg"]
        assert files(catalog.page(where=CatalogFilter(folder=f"{name}/inner"))) == ["below.jpg"]
        assert list(catalog.ids_in(own)) == [an_image("in.jpg", own).image_id]

    @pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:12]))
    def test_ids_that_are_none_are_only_unknown(self, catalog: Catalog, name: str) -> None:
        catalog.upsert([an_image()])
        assert catalog.get([name]) == [None]
        assert catalog.delete([name]) == 0
        assert catalog.count(CatalogFilter(without=(name,))) == 1
        assert catalog.ids_in(name) == {}
        catalog.page(after=name)
        assert catalog.size().images == 1

    def test_text_that_is_no_unicode_is_in_no_image(self, catalog: Catalog) -> None:
        catalog.upsert([an_image(tags=["a"], objects=[an_object(1)])])
        for broken in ("\ud800", "\udc80a"):
            for asked in (
                CatalogFilter(tags=(broken,)),
                CatalogFilter(classes=(broken,)),
                CatalogFilter(folder=broken),
            ):
                assert catalog.search(EAST, 10, where=asked) == []
            assert catalog.get([broken]) == [None]
            assert catalog.delete([broken]) == 0
            assert catalog.ids_in(broken) == {}
            assert catalog.count(CatalogFilter(without=(broken,))) == 1
