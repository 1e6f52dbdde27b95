"""Words and vectors together."""

import numpy as np
import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import UsageError
from autotag_tests.catalog.made_entries import EAST, an_image, an_object, files, towards


@pytest.fixture
def filled(catalog: OpenSearchCatalog) -> OpenSearchCatalog:
    catalog.upsert(
        [
            an_image("near", embedding=towards(10)),
            an_image("near and named", embedding=towards(12), tags=["beach"]),
            an_image("named", embedding=towards(80), tags=["beach"], objects=[an_object(1, "dog")]),
            an_image("far", embedding=towards(90), tags=["car"]),
        ]
    )
    return catalog


def test_what_is_near_and_named_comes_before_what_is_only_near(filled: OpenSearchCatalog) -> None:
    assert files(filled.search_words(EAST, "beach", 4))[:2] == ["near and named", "near"]


def test_without_a_word_that_any_has_the_nearest_come_first(filled: OpenSearchCatalog) -> None:
    assert files(filled.search_words(EAST, "zebra", 2)) == ["near", "near and named"]


def test_classes_are_words_too(filled: OpenSearchCatalog) -> None:
    assert "named" in files(filled.search_words(EAST, "DOG", 3))


def test_scores_are_cosines(filled: OpenSearchCatalog) -> None:
    scores = {hit.file: hit.score for hit in filled.search_words(EAST, "beach", 4)}
    assert scores["near"] == pytest.approx(np.cos(np.radians(10)), abs=1e-4)
    assert scores["named"] == pytest.approx(np.cos(np.radians(80)), abs=1e-4)


def test_filters_hold_for_both(filled: OpenSearchCatalog) -> None:
    assert files(filled.search_words(EAST, "beach", 9, CatalogFilter(tags=("car",)))) == ["far"]


def test_what_is_no_question_is_refused(filled: OpenSearchCatalog) -> None:
    with pytest.raises(UsageError, match="k is 0"):
        filled.search_words(EAST, "beach", 0)
    with pytest.raises(UsageError, match="no Unicode"):
        filled.search_words(EAST, "\ud800", 1)
