"""Rows that are asked for without a vector."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from autotag.catalog.lance.columns import EMBEDDING, IMAGE_KIND, REGION_ID, WHOLE
from autotag.catalog.lance.predicates import comes_after, is_one_of
from autotag.catalog.protocol import TagCount

if TYPE_CHECKING:
    from lancedb.table import LanceTable

NAMES_A_QUERY = 1000
_SEED = 0


@dataclass
class Standing:
    """What is there of an image: since when, and the indices of its regions."""

    added_at: datetime
    regions: set[int] = field(default_factory=set)


def read(table: "LanceTable", condition: str, columns: Sequence[str]) -> pa.Table:
    """Columns of the rows that meet a condition, which is empty for all."""
    query = table.search().select(list(columns))
    return (query.where(condition) if condition else query).to_arrow()


def standing(table: "LanceTable", condition: str) -> dict[str, Standing]:
    """What is there of the images that meet the condition, by id."""
    found: dict[str, Standing] = {}
    for row in read(table, condition, ["image_id", "added_at", "region_index"]).to_pylist():
        image = found.setdefault(row["image_id"], Standing(row["added_at"]))
        image.regions.add(row["region_index"])
    return found


def added_at(table: "LanceTable", condition: str) -> dict[str, datetime]:
    """Images that meet the condition, by id, and since when they are there."""
    rows = read(table, f"({condition}) AND kind = '{IMAGE_KIND}'", ["image_id", "added_at"])
    return dict(zip(*(rows.column(name).to_pylist() for name in ("image_id", "added_at")), strict=True))


def rows_of_images(table: "LanceTable", image_ids: Iterable[str]) -> pa.Table:
    """All regions of images, with the columns `WHOLE`."""
    return _rows_of(table, WHOLE, "image_id", image_ids)


def page_of(table: "LanceTable", after: str, limit: int, condition: str) -> pa.Table:
    """All regions of the first `limit` images, by id, that come after an id and meet the condition."""
    from lancedb.query import ColumnOrdering

    later = f"{condition} AND {comes_after('image_id', after)}" if after else condition
    query = table.search().where(later).select(["image_id"]).limit(limit)
    names = query.order_by([ColumnOrdering(column_name="image_id")]).to_arrow()
    return rows_of_images(table, names.column("image_id").to_pylist())


def counted_tags(table: "LanceTable", condition: str) -> list[TagCount]:
    """Tags of the images that meet the condition, the most frequent first, then by name."""
    tags = read(table, condition, ["tags"]).column("tags").combine_chunks()
    counts = Counter({each["values"]: each["counts"] for each in tags.flatten().value_counts().to_pylist()})
    return [
        TagCount(tag, images) for tag, images in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]


def sampled(table: "LanceTable", n: int, condition: str) -> pa.Table:
    """At most n rows of those that meet the condition, the same ones wherever they lie in the table."""
    names = sorted(read(table, condition, [REGION_ID]).column(REGION_ID).to_pylist())
    drawn = np.random.default_rng(_SEED).permutation(len(names))[:n]
    chosen = (names[place] for place in drawn)
    return _rows_of(table, [REGION_ID, EMBEDDING], REGION_ID, chosen).sort_by(REGION_ID)


def _rows_of(table: "LanceTable", columns: Sequence[str], key: str, names: Iterable[str]) -> pa.Table:
    listed = list(names)
    starts = range(0, len(listed), NAMES_A_QUERY)
    parts = [read(table, is_one_of(key, listed[at : at + NAMES_A_QUERY]), columns) for at in starts]
    return pa.concat_tables(parts) if parts else read(table, "false", columns)
