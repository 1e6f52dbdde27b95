"""The nearest rows of a condition."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from autotag.catalog.lance.columns import EMBEDDING, REGION_ID, SHOWN
from autotag.catalog.lance.predicates import is_one_of
from autotag.catalog.lance.upkeep import METRIC, PARTITIONS
from autotag.catalog.protocol import Vectors

if TYPE_CHECKING:
    from lancedb.query import LanceVectorQueryBuilder
    from lancedb.table import LanceTable

EXACT_ROWS = 2000
"""A filter that so few regions pass is answered without the index: faster, and exact."""

CANDIDATES = 200
LEAST_REFINEMENT, MOST_REFINEMENT = 4, 20
"""Regions that the index proposes, whose own vectors then decide: `CANDIDATES`, within these multiples of those wanted."""

SPARE, MOST_SPARE, SPARE_GROWTH = 5, 1000, 8
"""More than were asked for: of equal scores at the end, those with the lower ids are wanted. More again while all of them are equal."""


def nearest_rows(table: "LanceTable", vector: Vectors, k: int, condition: str, *, narrows: bool) -> pa.Table:
    """What hits show of the nearest rows, at least k where as many meet the condition, in no certain order.

    Args:
        table: all regions.
        vector: float32 (dim,).
        k: rows wanted.
        condition: empty for all rows.
        narrows: the condition may leave few rows.
    """
    passing = table.count_rows(condition) if narrows else None
    is_exact = passing is not None and passing <= EXACT_ROWS
    spare = SPARE
    found = _nearest(table, vector, k, spare, condition, is_exact=is_exact)
    while spare < MOST_SPARE and _ends_in_equals(found, k, spare):
        spare *= SPARE_GROWTH
        found = _nearest(table, vector, k, spare, condition, is_exact=is_exact)
    return found


def _nearest(
    table: "LanceTable", vector: Vectors, k: int, spare: int, condition: str, *, is_exact: bool
) -> pa.Table:
    if is_exact:
        return _exactly(table, vector, k + spare, condition)
    query = _query(table, vector, k + spare, condition).select([*SHOWN, "_distance"])
    refinement = max(LEAST_REFINEMENT, min(MOST_REFINEMENT, CANDIDATES // (k + spare)))
    found = query.nprobes(PARTITIONS[1]).refine_factor(refinement).to_arrow()
    return found if found.num_rows >= k else _exactly(table, vector, k + spare, condition)


def _ends_in_equals(found: pa.Table, k: int, spare: int) -> bool:
    """Whether there may be more of the k-th row's score than were found."""
    distances = np.sort(found.column("_distance").to_numpy())
    return len(distances) == k + spare and distances[k - 1] == distances[-1]


def _exactly(table: "LanceTable", vector: Vectors, rows: int, condition: str) -> pa.Table:
    """In two steps: one would read what hits show of all rows that meet the condition."""
    query = _query(table, vector, rows, condition).bypass_vector_index()
    nearest = query.select([REGION_ID, "_distance"]).to_arrow()
    names = nearest.column(REGION_ID).to_pylist()
    shown = table.search().where(is_one_of(REGION_ID, names)).select([REGION_ID, *SHOWN]).to_arrow()
    place = {name: number for number, name in enumerate(names)}
    places = pa.array([place[name] for name in shown.column(REGION_ID).to_pylist()], pa.int64())
    return shown.append_column("_distance", nearest.column("_distance").take(places))


def _query(table: "LanceTable", vector: Vectors, rows: int, condition: str) -> "LanceVectorQueryBuilder":
    query = table.search(vector, vector_column_name=EMBEDDING).distance_type(METRIC).limit(rows)
    return query.where(condition) if condition else query
