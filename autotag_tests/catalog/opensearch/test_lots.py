"""Samples are the regions with the lowest lots."""

import numpy as np
import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog
from autotag.catalog.protocol import Sought
from autotag_tests.catalog.made_entries import many_images


@pytest.mark.parametrize("sought", ["image", "object", "any"])
@pytest.mark.parametrize("n", [1, 7, 30])
def test_a_sample_has_as_many_as_asked_and_smaller_ones_lie_in_larger_ones(
    catalog: OpenSearchCatalog, sought: Sought, n: int
) -> None:
    catalog.upsert(many_images(40))
    drawn, more = catalog.sample(n, sought), catalog.sample(n + 5, sought)
    assert len(drawn) == n
    np.testing.assert_array_equal(more[:n], drawn)


def test_images_and_objects_have_the_same_chance(catalog: OpenSearchCatalog) -> None:
    images = many_images(150)
    catalog.upsert(images)
    wholes = {each.embedding.tobytes() for each in images}
    drawn = catalog.sample(150, "any")
    assert 30 <= sum(each.tobytes() in wholes for each in drawn) <= 70  # a third of 450 regions are images


def test_none_is_asked_for(catalog: OpenSearchCatalog) -> None:
    catalog.upsert(many_images(2))
    assert len(catalog.sample(0)) == 0
