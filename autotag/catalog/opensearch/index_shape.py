"""How the catalog lies in OpenSearch: names of fields, the index's settings and mappings, the pipeline of hybrid queries.

The engine is faiss: of the two that filter while they search it is taken to search exactly whenever its graph gave fewer
hits than pass the filter, and to keep its graphs outside the server's heap. `docs/opensearch.md` lists what no server confirmed.
"""

from typing import Any

from autotag.settings.sections import Catalog as CatalogSettings

OBJECTS = "detected_objects"
IMAGE_VECTOR = "global_image_embedding"
OBJECT_VECTOR = f"{OBJECTS}.object_embedding"

SHAPE_VERSION = 1
"""Rises when documents of before cannot be read or searched any more."""

MAX_OBJECTS = 1000
"""Objects of an image that can be told apart in one answer: the window of inner hits is opened this wide."""

_EF_CONSTRUCTION = 512
_M = 16
_IMAGE_WEIGHT, _WORDS_WEIGHT = 0.7, 0.3
_NOT_INDEXED = {"index": False, "doc_values": False}


def template_body(settings: CatalogSettings, model_id: str, dim: int) -> dict[str, Any]:
    """Body of `PUT _index_template`: what every index of this alias is made with."""
    return {
        "index_patterns": [f"{settings.alias}.*"],
        "priority": 100,
        "template": {"settings": {"index": _settings(settings)}, "mappings": _mappings(model_id, dim)},
        "_meta": {"made_by": "autotag"},
    }


def pipeline_body() -> dict[str, Any]:
    """Body of `PUT _search/pipeline`: scores of vectors and of words are brought to one scale and added."""
    return {
        "description": "nearness of the vector and match of the words, on one scale",
        "phase_results_processors": [
            {
                "normalization-processor": {
                    "normalization": {"technique": "min_max"},
                    "combination": {
                        "technique": "arithmetic_mean",
                        "parameters": {"weights": [_IMAGE_WEIGHT, _WORDS_WEIGHT]},
                    },
                }
            }
        ],
    }


def _settings(settings: CatalogSettings) -> dict[str, Any]:
    return {
        "knn": True,
        # segments with fewer vectors get no graph and are searched exactly
        "knn.advanced.approximate_threshold": settings.index_from,
        "number_of_shards": settings.shards,
        "number_of_replicas": settings.replicas,
        "max_inner_result_window": MAX_OBJECTS,
    }


def _mappings(model_id: str, dim: int) -> dict[str, Any]:
    return {
        "dynamic": "strict",
        "_meta": {"model_id": model_id, "dim": dim, "shape_version": SHAPE_VERSION},
        "properties": {
            **_filter_fields(),
            "media_id": {"type": "keyword"},
            "folder": {"type": "keyword"},
            "file": {"type": "keyword", **_NOT_INDEXED},
            "width": {"type": "integer"},
            "height": {"type": "integer"},
            "words": {"type": "text"},
            "taken_at": {"type": "date"},
            "upload_date": {"type": "date"},
            "object_count": {"type": "integer"},
            IMAGE_VECTOR: _vector(dim),
            OBJECTS: {"type": "nested", "dynamic": "strict", "properties": _object_fields(dim)},
        },
    }


def _object_fields(dim: int) -> dict[str, Any]:
    return {
        **_filter_fields(),
        "region_index": {"type": "integer"},
        "bbox": {"type": "integer", **_NOT_INDEXED},
        "class_name": {"type": "keyword"},
        "confidence": {"type": "float"},
        "confidence_step": {"type": "integer"},
        "object_embedding": _vector(dim),
    }


def _filter_fields() -> dict[str, Any]:
    """What filters of images ask: kept on each object as well, as a search of objects can only filter by their own."""
    return {
        "image_id": {"type": "keyword"},
        "folder_paths": {"type": "keyword"},
        "tags": {"type": "keyword"},
        "date_us": {"type": "long"},
        "class_steps": {"type": "keyword"},
        "best_step": {"type": "integer"},
        "draw": {"type": "integer"},
    }


def _vector(dim: int) -> dict[str, Any]:
    return {
        "type": "knn_vector",
        "dimension": dim,
        "method": {
            "name": "hnsw",
            "space_type": "cosinesimil",
            "engine": "faiss",
            "parameters": {"ef_construction": _EF_CONSTRUCTION, "m": _M},
        },
    }
