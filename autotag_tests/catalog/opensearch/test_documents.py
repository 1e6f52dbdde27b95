"""Images as documents."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.catalog.opensearch.documents import from_document, microseconds, to_document
from autotag.catalog.opensearch.index_shape import template_body
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import is_below
from autotag.domain.identity import folder_key
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, MODEL, an_image, an_object, any_vector
from autotag_tests.catalog.opensearch_double_shapes import Mapping

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ZONES = [UTC, timezone(timedelta(hours=5.5))]
moments = st.integers(1, 3_652_056).flatmap(
    lambda day: st.builds(
        lambda us, zone: datetime.fromordinal(day).replace(tzinfo=zone) + timedelta(days=1, microseconds=us),
        st.integers(0, 86_399_999_999),
        st.sampled_from(ZONES),
    )
)
images = st.builds(
    lambda file, folder, tags, named, taken, added, seed: an_image(
        file,
        folder,
        any_vector(seed),
        tags,
        [an_object(n, *each) for n, each in enumerate(named, 1)],
        taken,
        added,
    ),
    texts,
    texts.map(folder_key),
    st.lists(texts, unique=True, max_size=3),
    st.lists(st.tuples(texts, st.floats(0, 1)), max_size=3),
    st.one_of(st.none(), moments),
    moments,
    st.integers(0, 100),
)
MAPPING = Mapping(template_body(CatalogSettings(), MODEL, DIM)["template"]["mappings"])


@given(images)
def test_an_image_survives_the_way_through_json(image: CatalogImage) -> None:
    back = from_document(json.loads(json.dumps(to_document(image)).encode()))
    assert back == image
    np.testing.assert_array_equal(back.embedding, image.embedding)


@given(images)
def test_a_document_fits_the_strict_mapping(image: CatalogImage) -> None:
    MAPPING.check(json.loads(json.dumps(to_document(image))))


@given(images)
def test_every_field_of_the_mapping_is_filled(image: CatalogImage) -> None:
    document = to_document(image)
    assert set(document) == set(MAPPING.properties)
    for each in document["detected_objects"]:
        assert set(each) == set(MAPPING.properties["detected_objects"]["properties"])


folders = st.lists(
    st.sampled_from(["a", "b", "a b", "..", "50%", "é", "\udcff"]), min_size=1, max_size=4
).map("/".join)


@given(folders, folders)
def test_the_paths_of_a_folder_are_those_it_lies_below(own: str, asked: str) -> None:
    paths = to_document(an_image(folder=folder_key(own)))["folder_paths"]
    assert (folder_key(asked) in paths) == is_below(folder_key(own), asked)


@given(moments, moments)
def test_microseconds_are_in_the_order_of_the_dates(one: datetime, other: datetime) -> None:
    assert (microseconds(one) < microseconds(other)) == (one < other)
    assert (microseconds(one) == microseconds(other)) == (one == other)


@pytest.mark.parametrize(("year", "sign"), [(1904, -1), (1970, 0), (2300, 1)])
def test_dates_before_1970_and_after_2262_have_their_microseconds(year: int, sign: int) -> None:
    assert np.sign(microseconds(datetime(year, 1, 1, tzinfo=UTC))) == sign
