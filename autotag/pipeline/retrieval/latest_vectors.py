"""Of each image in a store's manifest the vector that was made last, and where it lies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import is_in
from autotag.domain.vectors import vectors_from_arrow
from autotag.pipeline.retrieval.vector_parts import MADE_BY, made_by_model
from autotag.storage.tables import iter_batches

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class LatestVectors:
    """Which rows of a model's tables are an image's last.

    Attributes:
        model_id: of the vectors.
        rows: columns media_id, embedded_at, part, row: tables by number in `parts`, and rows in them; in this order.
        parts: the tables.
        older: rows of images that have a later one.
        strangers: rows of images that the manifest does not have.
    """

    model_id: str
    rows: pa.Table
    parts: tuple[UPath, ...]
    older: int
    strangers: int

    def batches(self) -> Iterator[npt.NDArray[np.float32]]:
        """Their vectors, float32 (n, dim), unit L2 norm, in the order of `rows`."""
        part, row = self.rows["part"].to_numpy(), self.rows["row"].to_numpy()
        for number, path in enumerate(self.parts):
            wanted, first = row[part == number], 0
            if not len(wanted):
                continue
            check = made_by_model(path, self.model_id)
            for batch in iter_batches(path, ["embedding"], check=check, made_by=MADE_BY):
                inside = wanted[(wanted >= first) & (wanted < first + batch.num_rows)] - first
                first += batch.num_rows
                if len(inside):
                    yield vectors_from_arrow(batch.column(0).take(pa.array(inside)))


def latest_vectors(parts: list[UPath], model_id: str, media_ids: pa.ChunkedArray) -> LatestVectors:
    """Look through a model's tables; of vectors made at one time the last by table and row counts.

    Raises:
        ModelMismatchError: a table says that another model made it.
        PermanentError: a table is damaged.
    """
    found = [_rows_of(path, number, model_id) for number, path in enumerate(parts)]
    every = pa.concat_tables(found)
    known = every.filter(pa.array(is_in(every["media_id"], media_ids.to_pylist())))
    order = [(name, "ascending") for name in ("media_id", "embedded_at", "part", "row")]
    ordered = known.sort_by(order)
    media = ordered["media_id"].to_numpy()
    is_last = np.append(media[1:] != media[:-1], np.ones(min(1, len(media)), bool))
    last = ordered.filter(pa.array(is_last)).sort_by(order[2:])
    return LatestVectors(
        model_id, last, tuple(parts), ordered.num_rows - last.num_rows, every.num_rows - known.num_rows
    )


def _rows_of(path: UPath, number: int, model_id: str) -> pa.Table:
    columns, check = ["media_id", "embedded_at"], made_by_model(path, model_id)
    batches = list(iter_batches(path, columns, _BATCH_ROWS, check, made_by=MADE_BY))
    table = pa.Table.from_batches(batches)
    return table.append_column("part", pa.array(np.full(table.num_rows, number, np.int32))).append_column(
        "row", pa.array(np.arange(table.num_rows, dtype=np.int64))
    )
