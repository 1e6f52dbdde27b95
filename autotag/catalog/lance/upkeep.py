"""When the table gets its indices, and when it is tidied."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autotag.catalog.lance.columns import EMBEDDING

if TYPE_CHECKING:
    from lancedb.table import LanceTable

VECTOR_INDEX = f"{EMBEDDING}_idx"
METRIC = "dot"
"""Of unit vectors: 1 - cosine."""

REGIONS_A_PARTITION = 1500
PARTITIONS = (8, 512)
SAMPLES_A_PARTITION = 64
ROUNDS = 15
"""Of k-means: all partitions are searched, so what they are matters little and time is better saved."""

TRAINED_ROWS = "autotag.trained_rows"
GROWTH = 2
"""The index is made anew when it holds this many times the rows it was made from."""

LOOSE_FRAGMENTS = 20
LOOSE_SHARE = 0.05
LOOSE_ROWS = 1000
"""Tidied beyond these: small fragments, and rows outside the index."""

OLD = timedelta(minutes=5)
"""Versions older than this have no readers left."""


def tidy(table: "LanceTable", index_from: int) -> None:
    """Build or refresh what pays; nothing where all is well."""
    rows = table.count_rows()
    if rows >= max(index_from, 1):
        _index_columns(table)
        if _trained_rows(table) * GROWTH <= rows:
            _index_vectors(table, rows)
    if _loose_fragments(table) > LOOSE_FRAGMENTS or _is_behind(table, rows):
        table.optimize(cleanup_older_than=OLD)


def index_rows(table: "LanceTable") -> int:
    """Regions in the vector index; 0 where there is none."""
    stats = table.index_stats(VECTOR_INDEX)
    return stats.num_indexed_rows if stats else 0


def _index_columns(table: "LanceTable") -> None:
    from lancedb.index import Bitmap, BTree, LabelList

    wanted: dict[str, Any] = {
        "region_id": BTree(),
        "image_id": BTree(),
        "date": BTree(),
        "kind": Bitmap(),
        "folder": Bitmap(),
        "class_name": Bitmap(),
        "step": Bitmap(),
        "below": LabelList(),
        "tags": LabelList(),
        "class_steps": LabelList(),
    }
    there = {column for index in table.list_indices() for column in index.columns}
    for column, config in wanted.items():
        if column not in there:
            table.create_index(column, config=config)


def _index_vectors(table: "LanceTable", rows: int) -> None:
    """RaBitQ codes of one bit a number: small enough to look at all of them, so that no query falls between partitions."""
    from lancedb.index import IvfRq

    least, most = PARTITIONS
    config = IvfRq(
        distance_type=METRIC,
        num_partitions=min(most, max(least, rows // REGIONS_A_PARTITION)),
        sample_rate=SAMPLES_A_PARTITION,
        max_iterations=ROUNDS,
    )
    table.create_index(EMBEDDING, config=config, replace=True, name=VECTOR_INDEX)
    table.update_field_metadata({"path": EMBEDDING, "metadata": {TRAINED_ROWS: str(rows)}})


def _trained_rows(table: "LanceTable") -> int:
    if table.index_stats(VECTOR_INDEX) is None:
        return 0
    told = (table.schema.field(EMBEDDING).metadata or {}).get(TRAINED_ROWS.encode())
    return int(told) if told else 0


def _loose_fragments(table: "LanceTable") -> int:
    fragments: Any = table.stats()
    return fragments["fragment_stats"]["num_small_fragments"]


def _is_behind(table: "LanceTable", rows: int) -> bool:
    stats = table.index_stats(VECTOR_INDEX)
    return stats is not None and stats.num_unindexed_rows > max(LOOSE_ROWS, LOOSE_SHARE * rows)
