"""Each search as it goes to the server."""

from datetime import UTC, datetime

import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog
from autotag.domain.catalog_filters import CatalogFilter
from autotag_tests.catalog.made_entries import EAST, an_image
from autotag_tests.catalog.opensearch_double import OpenSearchDouble

WHERE = CatalogFilter(
    folder="walks/may",
    tags=("dog", "sea"),
    classes=("dog",),
    min_confidence=0.985,
    since=datetime(2026, 1, 1, tzinfo=UTC),
    until=datetime(2026, 1, 2, tzinfo=UTC),
    without=("that-one",),
)
DATES = {"gte": 1_767_225_600_000_000, "lt": 1_767_312_000_000_000}
BEST_FIRST = [{"_score": {"order": "desc"}}, {"image_id": {"order": "asc"}}]


def passing(level: str, classes: list[dict]) -> dict:
    """The filter `WHERE` at a level, with what it asks of classes there."""
    return {
        "bool": {
            "filter": [
                {"term": {f"{level}folder_paths": {"value": "walks/may"}}},
                {"term": {f"{level}tags": {"value": "dog"}}},
                {"term": {f"{level}tags": {"value": "sea"}}},
                {"range": {f"{level}date_us": DATES}},
                *classes,
            ],
            "must_not": [{"terms": {f"{level}image_id": ["that-one"]}}],
        }
    }


OF_IMAGE = passing("", [{"terms": {"class_steps": ["dog@99", "dog@100"]}}])
OBJECT = "detected_objects."
OF_OBJECTS_OF_IMAGES = passing(OBJECT, [{"terms": {"detected_objects.class_steps": ["dog@99", "dog@100"]}}])
OF_OBJECT = passing(
    OBJECT,
    [
        {"range": {"detected_objects.confidence_step": {"gte": 99}}},
        {"terms": {"detected_objects.class_name": ["dog"]}},
    ],
)


def searches(double: OpenSearchDouble) -> list[dict]:
    """Bodies of the searches in the one request for several."""
    (lines,) = double.bodies("/_msearch")
    return lines[1::2]


def test_images_are_searched_with_the_filter_inside_the_search(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.search(EAST, 7, "image", WHERE)
    (body,) = searches(double)
    assert body["query"] == {
        "knn": {
            "global_image_embedding": {
                "vector": EAST.tolist(),
                "k": 7,
                "method_parameters": {"ef_search": 256},
                "filter": OF_IMAGE,
            }
        }
    }
    assert (body["size"], body["sort"]) == (7, BEST_FIRST)
    assert {"global_image_embedding", "detected_objects.object_embedding"} <= set(body["_source"]["excludes"])


def test_objects_are_searched_inside_their_images_by_their_own_fields(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.search(EAST, 7, "object", WHERE)
    (body,) = searches(double)
    assert body["query"] == {
        "nested": {
            "path": "detected_objects",
            "score_mode": "max",
            "query": {
                "knn": {
                    "detected_objects.object_embedding": {
                        "vector": EAST.tolist(),
                        "k": 7,
                        "method_parameters": {"ef_search": 256},
                        "filter": OF_OBJECT,
                        "expand_nested_docs": True,
                    }
                }
            },
            "inner_hits": {"size": 7, "_source": False},
        }
    }


def test_both_are_searched_in_one_request(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    catalog.search(EAST, 2000, "any", WHERE)
    images, objects = searches(double)
    assert images["query"]["knn"]["global_image_embedding"]["filter"] == OF_IMAGE
    nested = objects["query"]["nested"]
    asked = nested["query"]["knn"]["detected_objects.object_embedding"]
    assert asked["filter"] == OF_OBJECTS_OF_IMAGES
    assert (asked["k"], asked["method_parameters"]) == (2000, {"ef_search": 2000})
    assert nested["inner_hits"]["size"] == 1000


def test_without_a_filter_none_is_sent(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    catalog.search(EAST, 1, "image", CatalogFilter())
    (body,) = searches(double)
    assert "filter" not in body["query"]["knn"]["global_image_embedding"]


def test_counts_pages_and_facets_ask_the_same_filter(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.count(WHERE)
    catalog.page("abc", 5, WHERE)
    catalog.tags(WHERE, 3)
    page, tags = double.bodies("/autotag/_search")
    assert double.bodies("/autotag/_count") == [{"query": OF_IMAGE}]
    assert page == {
        "size": 5,
        "query": OF_IMAGE,
        "sort": [{"image_id": {"order": "asc"}}],
        "_source": True,
        "track_total_hits": False,
        "search_after": ["abc"],
    }
    assert tags["query"] == OF_IMAGE
    assert tags["aggs"]["tags"]["terms"] == {
        "field": "tags",
        "size": 3,
        "shard_size": 20_000,
        "order": [{"_count": "desc"}, {"_key": "asc"}],
    }


def test_words_and_vector_are_asked_together_and_normalised(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.search_words(EAST, "dog beach", 5, CatalogFilter(tags=("sea",)))
    (body,) = double.bodies("/autotag/_search")
    passes = {"bool": {"filter": [{"term": {"tags": {"value": "sea"}}}]}}
    nearest, matching = body["query"]["hybrid"]["queries"]
    assert nearest["knn"]["global_image_embedding"]["filter"] == passes
    assert matching == {"bool": {"must": [{"match": {"words": {"query": "dog beach"}}}], "filter": [passes]}}
    (params,) = [params for _, path, params, _ in double.requests if path == "/autotag/_search"]
    assert params["search_pipeline"] == "autotag.words"
    (pipeline,) = double.bodies("/_search/pipeline/autotag.words")
    assert pipeline["phase_results_processors"] == [
        {
            "normalization-processor": {
                "normalization": {"technique": "min_max"},
                "combination": {
                    "technique": "arithmetic_mean",
                    "parameters": {"weights": [0.7, 0.3]},
                },
            }
        }
    ]


@pytest.mark.parametrize("sought", ["image", "object", "any"])
def test_answers_come_without_vectors(
    catalog: OpenSearchCatalog, double: OpenSearchDouble, sought: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.upsert([an_image(objects=[])])
    index, seen = double.index("autotag"), []
    search = index.search
    monkeypatch.setattr(index, "search", lambda *asked: seen.append(search(*asked)) or seen[-1])
    catalog.search(EAST, 5, sought)  # pyright: ignore[reportArgumentType]
    assert seen
    assert "embedding" not in str(seen)
