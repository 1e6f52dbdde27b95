"""Samples of regions: those with the lowest lots, which they were given when they were stored."""

import math

import numpy as np

from autotag.catalog.opensearch.documents import DRAWS
from autotag.catalog.opensearch.index_shape import IMAGE_VECTOR, OBJECTS
from autotag.catalog.opensearch.queries import lots_query, object_lots_query
from autotag.catalog.opensearch.searches import Searches
from autotag.catalog.protocol import CatalogSize, Sought, Vectors

PAGE = 100
"""Documents of a page, with the vectors of their objects."""


def drawn(searches: Searches, n: int, sought: Sought, size: CatalogSize, dim: int) -> Vectors:
    """float32 (at most n, dim): see `Catalog.sample`. A share of the lots is asked for, and a larger one where it held too few."""
    regions = {"image": size.images, "object": size.objects, "any": size.images + size.objects}[sought]
    found: list[tuple[int, list[float]]] = []
    share = min(1.0, n / regions) if regions and n > 0 else 0.0
    while share and len(found) < min(n, regions):
        found = _below(searches, math.ceil(share * DRAWS), sought)
        if share >= 1:
            break
        share = min(1.0, 2 * share)
    vectors = [vector for _, vector in sorted(found)[: max(n, 0)]]
    return np.asarray(vectors, np.float32).reshape(-1, dim)


def _below(searches: Searches, lot: int, sought: Sought) -> list[tuple[int, list[float]]]:
    """Lot and vector of the regions whose lot is below this one."""
    found: list[tuple[int, list[float]]] = []
    if sought != "object":
        for hit in searches.walk(lots_query(lot), ["draw", IMAGE_VECTOR], PAGE):
            found.append((hit["_source"]["draw"], hit["_source"][IMAGE_VECTOR]))
    if sought != "image":
        for hit in searches.walk(object_lots_query(lot), False, PAGE):
            for inner in hit["inner_hits"][OBJECTS]["hits"]["hits"]:
                found.append((inner["_source"]["draw"], inner["_source"]["object_embedding"]))
    return found
