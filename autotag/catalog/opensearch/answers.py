"""Answers to searches as hits of the catalog."""

from typing import Any

import numpy as np

from autotag.catalog.opensearch.calls import BUSY, reason_of
from autotag.catalog.opensearch.documents import facts_of
from autotag.catalog.opensearch.index_shape import IMAGE_VECTOR, OBJECTS
from autotag.catalog.protocol import CatalogHit, Vectors
from autotag.errors import CatalogUnavailableError, PermanentError

Answer = dict[str, Any]


def whole(answer: Answer) -> Answer:
    """The answer, if all shards gave theirs in time: one of a part of the catalog looks like one of all of it.

    Raises:
        CatalogUnavailableError: a shard failed or was late.
        PermanentError: the search is refused; in an answer to several searches each has its own status.
    """
    if "error" in answer:
        if answer.get("status") in BUSY or answer.get("status") == 404:
            raise CatalogUnavailableError(f"OpenSearch cannot search now: {reason_of(answer)}; try again")
        raise PermanentError(f"OpenSearch refused a search ({answer.get('status')}): {reason_of(answer)}")
    if answer.get("timed_out") or answer["_shards"]["failed"]:
        raise CatalogUnavailableError("some shards of the OpenSearch index did not answer; try again")
    return answer


def cosine(score: float) -> float:
    """The cosine that OpenSearch made a score of: it adds one and halves, as scores may not be negative."""
    return 2 * score - 1


def image_hits(answer: Answer) -> list[CatalogHit]:
    """Whole images, with their cosines."""
    return [_hit(cosine(hit["_score"]), hit["_source"], None) for hit in answer["hits"]["hits"]]


def object_hits(answer: Answer) -> list[CatalogHit]:
    """Objects, with theirs."""
    return [
        _hit(cosine(inner["_score"]), hit["_source"], hit["_source"][OBJECTS][inner["_nested"]["offset"]])
        for hit in answer["hits"]["hits"]
        for inner in hit["inner_hits"][OBJECTS]["hits"]["hits"]
    ]


def ranked_hits(answer: Answer, vector: Vectors) -> list[CatalogHit]:
    """Whole images in the answer's order; their scores are the cosines all the same, not the pipeline's mixture."""
    return [
        _hit(
            float(np.dot(np.asarray(hit["_source"][IMAGE_VECTOR], np.float32), vector)), hit["_source"], None
        )
        for hit in answer["hits"]["hits"]
    ]


def best_first(hits: list[CatalogHit], k: int) -> list[CatalogHit]:
    """The k best; equal scores by image id, then region index."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.image_id, hit.region_index))[:k]


def _hit(score: float, image: dict[str, Any], found: dict[str, Any] | None) -> CatalogHit:
    x0, y0, x1, y1 = found["bbox"] if found else (0, 0, image["width"], image["height"])
    return CatalogHit(
        **facts_of(image),
        score=score,
        region_index=found["region_index"] if found else 0,
        box_xyxy_px=(x0, y0, x1, y1),
        class_name=found["class_name"] if found else "",
        confidence=found["confidence"] if found else 1.0,
    )
