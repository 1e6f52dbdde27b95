"""The double refuses what a server would refuse: without that the tests on it would prove nothing."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autotag.catalog.opensearch.index_shape import pipeline_body, template_body
from autotag.catalog.opensearch.queries import hybrid_body, images_body, objects_body, tags_body
from autotag.domain.catalog_filters import CatalogFilter
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, EAST, MODEL
from autotag_tests.catalog.opensearch_double import OpenSearchDouble
from autotag_tests.catalog.opensearch_double_index import as_json
from autotag_tests.catalog.opensearch_double_shapes import Refused

ASKED = CatalogFilter(tags=("a",), classes=("dog",), without=("x",))


@pytest.fixture
def double() -> OpenSearchDouble:
    made = OpenSearchDouble()
    made.answer("PUT", "/_index_template/t", {}, as_json(template_body(CatalogSettings(), MODEL, DIM)))
    made.answer("PUT", "/_search/pipeline/p", {}, as_json(pipeline_body()))
    made.answer("PUT", "/autotag.first", {}, b"")
    return made


def asked(double: OpenSearchDouble, body: Any, **params: str) -> int:
    return double.answer("POST", "/autotag.first/_search", params, as_json(body))[0]


def places(body: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths of all objects inside a body."""
    if isinstance(body, dict):
        yield path
        for name, value in body.items():
            yield from places(value, (*path, name))
    elif isinstance(body, list):
        for number, value in enumerate(body):
            yield from places(value, (*path, number))


BODIES: dict[str, Callable[[], dict]] = {
    "images": lambda: images_body(EAST, 5, ASKED),
    "objects": lambda: objects_body(EAST, 5, ASKED, own=True),
    "objects of images": lambda: objects_body(EAST, 5, ASKED, own=False),
    "hybrid": lambda: hybrid_body(EAST, "dog", 5, ASKED),
    "tags": lambda: tags_body(ASKED, 5, 10),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_unknown_field_anywhere_in_a_search_is_refused(double: OpenSearchDouble, name: str) -> None:
    params = {"search_pipeline": "p"} if name == "hybrid" else {}
    assert asked(double, BODIES[name](), **params) == 200
    for path in places(BODIES[name]()):
        body = copy.deepcopy(BODIES[name]())
        inside = body
        for step in path:
            inside = inside[step]
        inside["surprise"] = 1
        with pytest.raises(Refused):
            asked(double, body, **params)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"query": {"knn": {"global_image_embedding": {"vector": [1.0], "k": 1}}}}, "dimension"),
        (
            {"query": {"knn": {"global_image_embedding": {"vector": EAST.tolist(), "k": "5"}}}},
            "cannot be '5'",
        ),
        ({"query": {"knn": {"global_image_embedding": {"vector": EAST.tolist(), "k": 10_001}}}}, "between 1"),
        (
            {"query": {"knn": {"detected_objects.object_embedding": {"vector": EAST.tolist(), "k": 1}}}},
            "level",
        ),
        ({"query": {"term": {"detected_objects.class_name": {"value": "dog"}}}}, "level"),
        ({"query": {"term": {"nowhere": {"value": "dog"}}}}, "no field"),
        ({"query": {"term": {"words": {"value": "dog"}}}}, "of the type"),
        ({"query": {"range": {"date_us": {"gte": "2026-01-01"}}}}, "cannot be"),
        ({"query": {"range": {"draw": {"lt": 2**31}}}}, "out of range for an integer"),
        ({"query": {"terms": {"tags": "dog"}}}, "list of texts"),
        ({"query": {"nested": {"path": "tags", "query": {"match_all": {}}}}}, "nested object"),
        ({"size": 10_001}, "window"),
        ({"size": "5"}, "cannot be '5'"),
        (hybrid_body(EAST, "dog", 1, None), "normalization"),
        ({**hybrid_body(EAST, "dog", 1, None), "sort": []}, "normalization"),
    ],
)
def test_what_a_field_cannot_answer_is_refused(double: OpenSearchDouble, wrong: dict, told: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(double, wrong)
    assert told in refused.value.reason


def test_a_filter_of_both_levels_inside_a_nested_search_is_refused(double: OpenSearchDouble) -> None:
    body = objects_body(EAST, 5, ASKED, own=True)
    inside = body["query"]["nested"]["query"]["knn"]["detected_objects.object_embedding"]
    inside["filter"]["bool"]["filter"].append({"term": {"tags": {"value": "a"}}})
    with pytest.raises(Refused, match="level"):
        asked(double, body)


def test_more_inner_hits_than_the_window_are_refused(double: OpenSearchDouble) -> None:
    body = objects_body(EAST, 5, None, own=True)
    body["query"]["nested"]["inner_hits"]["size"] = 1001
    with pytest.raises(Refused, match="Inner result window"):
        asked(double, body)


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "/autotag.first/_search", {}),
        ("POST", "/autotag.first/_search", {"request_timeout": "5"}),
        ("POST", "/autotag.first/_explain", {}),
        ("PUT", "/UPPER", {}),
    ],
)
def test_requests_that_the_catalog_does_not_make_are_refused(
    double: OpenSearchDouble, method: str, path: str, params: dict
) -> None:
    with pytest.raises(Refused):
        double.answer(method, path, params, b"{}")


@pytest.mark.parametrize("raw", [b'{"query": NaN}', b"{", b'{"a": "\xff"}'])
def test_what_is_no_json_is_refused(double: OpenSearchDouble, raw: bytes) -> None:
    with pytest.raises(Refused, match="no JSON"):
        double.answer("POST", "/autotag.first/_search", {}, raw)


def test_a_template_with_an_unknown_setting_is_refused(double: OpenSearchDouble) -> None:
    for path in (("template", "settings", "index"), ("template", "mappings"), ()):
        body = template_body(CatalogSettings(), MODEL, DIM)
        inside = body
        for step in path:
            inside = inside[step]
        inside["surprise"] = 1
        with pytest.raises(Refused):
            double.answer("PUT", "/_index_template/t", {}, as_json(body))


def test_searches_do_not_see_what_was_not_refreshed(double: OpenSearchDouble) -> None:
    index = double.index("autotag.first")
    index.mapping.properties.clear()
    lines = as_json({"create": {"_id": "1"}}) + b"\n{}\n"
    double.answer("POST", "/autotag.first/_bulk", {}, lines)
    assert (len(index.written), len(index.seen)) == (1, 0)
    lines = as_json({"create": {"_id": "2"}}) + b"\n{}\n"
    double.answer("POST", "/autotag.first/_bulk", {"refresh": "wait_for"}, lines)
    assert len(index.seen) == 2
