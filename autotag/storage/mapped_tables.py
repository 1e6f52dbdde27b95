"""Arrow tables that are looked up where they lie: written once in batches of one size, then mapped and never read whole."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.errors import CorruptIndexError, UnwritableRootError

BATCH_ROWS = 65_536
"""Rows of a record batch, but for the last. Only so does a row's number say which batch holds it."""

_BATCH_ROWS_KEY = b"rows_a_batch"

Ints = npt.NDArray[np.int64]


class MappedTableWriter:
    """Streams rows into a local Arrow IPC file, uncompressed. Holds one batch.

    The file is no table before the block ends without an error.

    Raises:
        UnwritableRootError: the disk is full, or the place cannot be written.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema.with_metadata({_BATCH_ROWS_KEY: str(BATCH_ROWS).encode()})
        self._waiting = self._schema.empty_table()

    def __enter__(self) -> Self:
        with self._told():
            self._stream = self._path.open("wb")
            self._writer = pa.ipc.new_file(self._stream, self._schema)
        return self

    def write(self, rows: pa.Table) -> None:
        """Append rows that have the columns of the schema."""
        waiting = pa.concat_tables([self._waiting, rows.cast(self._schema)])
        while waiting.num_rows >= BATCH_ROWS:
            self._put(waiting.slice(0, BATCH_ROWS))
            waiting = waiting.slice(BATCH_ROWS)
        self._waiting = waiting

    def _put(self, rows: pa.Table) -> None:
        with self._told():
            for batch in rows.combine_chunks().to_batches():
                self._writer.write_batch(batch)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._told(), self._stream:
            if kind is None:
                self._put(self._waiting)
                self._writer.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnwritableRootError(
                f"{self._path}: cannot be written ({error.strerror or error}); make room or make it writable"
            ) from error


class MappedTable:
    """Rows of such a file by number. Opening reads its footer only, a look-up the batches' pages that hold the rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Open a file whose bytes have been checked.

        Raises:
            CorruptIndexError: no such file, or not one of this schema.
        """
        try:
            with path.open("rb") as stream:
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self._reader = pa.ipc.open_file(pa.py_buffer(self._map))
            found = self._reader.schema
            self._batch_rows = int((found.metadata or {})[_BATCH_ROWS_KEY])
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise CorruptIndexError(f"{path} cannot be read ({error}); run `autotag build-index`") from error
        if not found.equals(schema):
            raise CorruptIndexError(
                f"{path} has other columns than {schema.names}; run `autotag build-index`"
            )
        self.schema = schema
        last = self._reader.num_record_batches - 1
        self.rows = last * self._batch_rows + self._reader.get_batch(last).num_rows if last >= 0 else 0

    def take(self, rows: Ints, columns: list[str] | None = None) -> pa.Table:
        """Some rows, in the order given, also several times; memory follows their number.

        Args:
            rows: int64 (n,), 0 to `rows` - 1.
            columns: those wanted; all by default.

        Raises:
            IndexError: there is no such row.
        """
        names = self.schema.names if columns is None else columns
        distinct, place = np.unique(rows, return_inverse=True)
        if len(distinct) and not 0 <= int(distinct[0]) <= int(distinct[-1]) < self.rows:
            raise IndexError(f"rows {distinct[0]} to {distinct[-1]} are not all among {self.rows}")
        batches, starts = np.unique(distinct // self._batch_rows, return_index=True)
        pieces = [self._schema_of(names).empty_table()]
        for number, inside in zip(batches.tolist(), np.split(distinct, starts[1:]), strict=False):
            batch = self._reader.get_batch(number).select(names)
            pieces.append(pa.Table.from_batches([batch.take(pa.array(inside - number * self._batch_rows))]))
            self._let_go()
        found = pa.concat_tables([piece.replace_schema_metadata(None) for piece in pieces])
        return found.combine_chunks().take(pa.array(place.reshape(-1)))

    def _let_go(self) -> None:
        """Give pages back that were looked at: the system maps their neighbours too, and in the end the whole file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _schema_of(self, names: list[str]) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in names])
