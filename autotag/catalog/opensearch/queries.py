"""Bodies of searches."""

from typing import Any

from autotag.catalog.opensearch.filters import (
    Query,
    image_filter,
    object_filter,
    objects_of_images_filter,
)
from autotag.catalog.opensearch.index_shape import IMAGE_VECTOR, MAX_OBJECTS, OBJECT_VECTOR, OBJECTS
from autotag.catalog.protocol import Vectors
from autotag.domain.catalog_filters import CatalogFilter

_EF_SEARCH = 256
"""Candidates a graph is searched with, at least: at this width HNSW with m=16 misses about one neighbour in a hundred."""

_WITHOUT_VECTORS = {
    "excludes": [
        IMAGE_VECTOR,
        OBJECT_VECTOR,
        "folder_paths",
        f"{OBJECTS}.folder_paths",
        f"{OBJECTS}.tags",
        f"{OBJECTS}.class_steps",
    ]
}
_BEST_FIRST = [{"_score": {"order": "desc"}}, {"image_id": {"order": "asc"}}]
_BY_ID = [{"image_id": {"order": "asc"}}]


def images_body(vector: Vectors, k: int, where: CatalogFilter | None) -> Query:
    """The k whole images nearest to a vector: the filter is part of the search, not a sieve after it."""
    return {
        "size": k,
        "query": _knn(IMAGE_VECTOR, vector, k, image_filter(where)),
        "sort": _BEST_FIRST,
        "_source": _WITHOUT_VECTORS,
        "track_total_hits": False,
    }


def objects_body(vector: Vectors, k: int, where: CatalogFilter | None, *, own: bool) -> Query:
    """The k images with the nearest objects, each with its objects by nearness: the k nearest objects are among them.

    Args:
        vector: float32 (dim,), unit L2 norm.
        k: images, and at most objects of one.
        where: what passes.
        own: whether classes and confidence speak of the object itself, not of any object of its image.
    """
    passing = object_filter(where) if own else objects_of_images_filter(where)
    nearest = _knn(OBJECT_VECTOR, vector, k, passing)
    nearest["knn"][OBJECT_VECTOR]["expand_nested_docs"] = True
    return {
        "size": k,
        "query": {
            "nested": {
                "path": OBJECTS,
                "score_mode": "max",
                "query": nearest,
                "inner_hits": {"size": min(k, MAX_OBJECTS), "_source": False},
            }
        },
        "sort": _BEST_FIRST,
        "_source": _WITHOUT_VECTORS,
        "track_total_hits": False,
    }


def hybrid_body(vector: Vectors, words: str, k: int, where: CatalogFilter | None) -> Query:
    """The k images that are near to a vector, or have the words, or both; the scores are the pipeline's."""
    passing = image_filter(where)
    matching = {"bool": {"must": [{"match": {"words": {"query": words}}}], "filter": [passing]}}
    return {
        "size": k,
        "query": {
            "hybrid": {"queries": [_knn(IMAGE_VECTOR, vector, k, passing), matching], "pagination_depth": k}
        },
        "_source": {"excludes": [OBJECT_VECTOR]},
    }


def page_body(after: str, limit: int, where: Query, source: Any = True) -> Query:
    """Images by id, from the first after `after`."""
    body: Query = {
        "size": limit,
        "query": where,
        "sort": _BY_ID,
        "_source": source,
        "track_total_hits": False,
    }
    return {**body, "search_after": [after]} if after else body


def tags_body(where: CatalogFilter | None, limit: int, counted: int) -> Query:
    """How many images have each tag; `counted` is how many tags each shard tells of."""
    return {
        "size": 0,
        "query": image_filter(where),
        "track_total_hits": False,
        "aggs": {
            "tags": {
                "terms": {
                    "field": "tags",
                    "size": limit,
                    "shard_size": max(counted, limit),
                    "order": [{"_count": "desc"}, {"_key": "asc"}],
                }
            }
        },
    }


def size_body() -> Query:
    """How many images there are, and objects."""
    return {"size": 0, "track_total_hits": True, "aggs": {"objects": {"sum": {"field": "object_count"}}}}


def lots_query(below: int) -> Query:
    """Images whose lot is below a number."""
    return {"range": {"draw": {"lt": below}}}


def object_lots_query(below: int) -> Query:
    """Images with objects whose lot is below a number, with these objects."""
    return {
        "nested": {
            "path": OBJECTS,
            "query": {"range": {f"{OBJECTS}.draw": {"lt": below}}},
            "inner_hits": {
                "size": MAX_OBJECTS,
                "_source": {"includes": [OBJECT_VECTOR, f"{OBJECTS}.draw"]},
            },
        }
    }


def _knn(field: str, vector: Vectors, k: int, passing: Query) -> Query:
    asked: Query = {
        "vector": vector.tolist(),
        "k": k,
        "method_parameters": {"ef_search": max(k, _EF_SEARCH)},
    }
    if "match_all" not in passing:
        asked["filter"] = passing
    return {"knn": {field: asked}}
