"""The nearest rows of a condition."""

from typing import TYPE_CHECKING

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

SPARE = 5
"""More than were asked for: of equal scores at the end, those with the lower ids are wanted."""


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
    if passing is not None and passing <= EXACT_ROWS:
        return _exactly(table, vector, k + SPARE, condition)
    query = _query(table, vector, k + SPARE, condition).select([*SHOWN, "_distance"])
    refinement = max(LEAST_REFINEMENT, min(MOST_REFINEMENT, CANDIDATES // (k + SPARE)))
    found = query.nprobes(PARTITIONS[1]).refine_factor(refinement).to_arrow()
    return found if found.num_rows >= k else _exactly(table, vector, k + SPARE, condition)


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
