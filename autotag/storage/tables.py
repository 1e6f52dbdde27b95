"""Parquet tables and small files, written whole or not at all, stamped with what made them."""

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.domain.schema_version import SCHEMA_VERSION
from autotag.errors import MissingInputError, PermanentError
from autotag.storage.arrow_files import open_for_arrow
from autotag.storage.removal import remove_stale_temporaries, temporary_name
from autotag.storage.roots import is_local, make_directory, told_if_unwritable

_STAMP_KEY = b"autotag"

ROW_GROUP_ROWS = 4096
"""Rows a row group has at least, but for the last: few enough to hold with their vectors, enough to compress."""


@dataclass(slots=True)
class Stamp:
    """Provenance inside a table's own metadata.

    Attributes:
        table: name of the table's schema.
        model_id: what made the rows; empty where no model did.
        fingerprint: hash of inputs and settings; equal means nothing needs doing.
        extra: counts and other small facts.
    """

    table: str
    model_id: str = ""
    fingerprint: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """JSON."""
        return json.dumps({"version": SCHEMA_VERSION, **vars_of(self)}, sort_keys=True).encode()


def vars_of(stamp: Stamp) -> dict[str, Any]:
    """The stamp's fields as a dictionary."""
    return {
        "table": stamp.table,
        "model_id": stamp.model_id,
        "fingerprint": stamp.fingerprint,
        "extra": stamp.extra,
    }


StampCheck = Callable[[Stamp | None], None]


class TableWriter:
    """Streams row groups into a temporary sibling; the table appears when the block ends without an error.

    The stamp may be filled until then. On an object store the file is written locally and uploaded whole.
    What a killed writer of the same table left beside it goes. A file system that refuses is an
    `UnwritableRootError`, whenever it does.
    """

    def __init__(self, path: UPath, schema: pa.Schema, stamp: Stamp, group_rows: int | None = None) -> None:
        """`group_rows`: most rows of a row group, for tables of which one row at a time is looked up."""
        self._path = path
        self._group_rows = group_rows
        self._schema = schema
        self._stamp = stamp
        self._waiting: list[pa.Table] = []
        self.rows = 0

    def __enter__(self) -> Self:
        self._temporary = _temporary_for(self._path)
        with told_if_unwritable(self._path):
            # A stream: Arrow refuses paths that are no UTF-8.
            self._stream = self._temporary.open("wb")
            self._writer = pq.ParquetWriter(self._stream, self._schema, compression="zstd")
        return self

    def write(self, rows: pa.Table | dict[str, Any]) -> None:
        """Append rows: a table of the schema, or columns by name. Small pieces share a row group."""
        table = pa.table(rows, schema=self._schema) if isinstance(rows, dict) else rows
        self._waiting.append(table.cast(self._schema))
        self.rows += table.num_rows
        if sum(piece.num_rows for piece in self._waiting) >= (self._group_rows or ROW_GROUP_ROWS):
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        self._waiting.clear()
        if table.num_rows:
            with told_if_unwritable(self._path):
                self._writer.write_table(table, self._group_rows)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with told_if_unwritable(self._path):
                if kind is None:
                    self._flush()
                    self._writer.add_key_value_metadata({_STAMP_KEY: self._stamp.to_bytes()})
                self._writer.close()
                self._stream.close()
                if kind is None:
                    self._commit()
        finally:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)

    def _commit(self) -> None:
        with self._temporary.open("rb") as stream:
            written = pq.read_metadata(stream).num_rows
        if written != self.rows:
            raise PermanentError(f"{self._path}: {self.rows} rows were given, the file holds {written}")
        publish_file(self._temporary, self._path)


def write_table(
    path: UPath, table: pa.Table, schema: pa.Schema, stamp: Stamp, group_rows: int | None = None
) -> None:
    """Write a small table in one go; `group_rows` as in `TableWriter`."""
    with TableWriter(path, schema, stamp, group_rows) as writer:
        writer.write(table.select(schema.names))


def read_stamp(path: UPath) -> Stamp | None:
    """The stamp of a table; None when the table is missing, unreadable or not ours."""
    try:
        with open_for_arrow(path) as stream:
            return _stamp_of(pq.read_metadata(stream))
    except (OSError, pa.ArrowInvalid):
        return None


def _stamp_of(footer: pq.FileMetaData) -> Stamp | None:
    metadata = footer.metadata or {}
    if _STAMP_KEY not in metadata:
        return None
    try:
        values = dict(json.loads(metadata[_STAMP_KEY]))
        return Stamp(**values) if values.pop("version", None) == SCHEMA_VERSION else None
    except (ValueError, TypeError):
        return None


def is_current(path: UPath, fingerprint: str) -> bool:
    """Whether the table exists and was made from exactly these inputs."""
    stamp = read_stamp(path)
    return stamp is not None and stamp.fingerprint == fingerprint


def read_table(
    path: UPath,
    columns: list[str] | None = None,
    *,
    made_by: str = "",
    span: tuple[str, str, str] | None = None,
    check: StampCheck | None = None,
) -> pa.Table:
    """Read a table.

    Args:
        path: the file.
        columns: those wanted; all by default.
        made_by: the asset to name when the table is missing or damaged.
        span: a text column, and its first and last value wanted, both included; in a table sorted by that
            column the rest is not even read.
        check: raises for a stamp it does not want; it gets the one of the very file that is read.

    Raises:
        MissingInputError: the table is not there.
        PermanentError: the file is damaged.
    """
    filters = [(span[0], ">=", span[1]), (span[0], "<=", span[2])] if span else None
    with _told_if_unreadable(path, made_by), open_for_arrow(path) as stream:
        if check is not None:
            check(_stamp_of(pq.read_metadata(stream)))
        return pq.read_table(stream, columns=columns, filters=filters)


def iter_batches(
    path: UPath,
    columns: list[str],
    rows: int = 4096,
    check: StampCheck | None = None,
    *,
    made_by: str = "",
) -> Iterator[pa.RecordBatch]:
    """Stream a table's rows in order, `rows` at a time; `check` and `made_by` as in `read_table`.

    Raises:
        MissingInputError: the table is not there.
        PermanentError: the file is damaged; that may come after some of its rows.
    """
    with _told_if_unreadable(path, made_by), open_for_arrow(path) as stream:
        file = pq.ParquetFile(stream)
        if check is not None:
            check(_stamp_of(file.metadata))
        yield from file.iter_batches(rows, columns=columns)


def read_schema(path: UPath) -> pa.Schema:
    """Columns of a table, from its footer.

    Raises:
        MissingInputError: the table is not there.
        PermanentError: the file is damaged.
    """
    with _told_if_unreadable(path), open_for_arrow(path) as stream:
        return pq.read_schema(stream)


def count_rows(path: UPath) -> int:
    """Rows of a table, from its footer.

    Raises:
        MissingInputError: the table is not there.
        PermanentError: the file is damaged.
    """
    with _told_if_unreadable(path), open_for_arrow(path) as stream:
        return pq.read_metadata(stream).num_rows


@contextmanager
def _told_if_unreadable(path: UPath, made_by: str = "") -> Iterator[None]:
    """What Arrow and the file system make of a table that is missing or damaged, as a sentence with the remedy."""
    try:
        yield
    except MemoryError:  # Arrow's own is one of its exceptions too, and says nothing against the file
        raise
    except FileNotFoundError as error:
        raise MissingInputError(_missing(path, made_by)) from error
    except (OSError, pa.ArrowException) as error:
        remedy = f"delete it and materialise {made_by or 'the asset that made it'} again"
        raise PermanentError(f"{path} is damaged ({error}); {remedy}") from error


def write_text(path: UPath, text: str, *, durable: bool = True) -> None:
    """Write a small text file, whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_bytes(path: UPath, data: bytes, *, durable: bool = True, crowded: bool = False) -> None:
    """Write a small file, whole or not at all.

    Args:
        path: the file.
        data: its content.
        durable: whether it has to outlive a power cut, not only a killed process; that costs a disk's flush.
        crowded: whether it is one of thousands in its directory, which is then not searched for what killed writers
            left: whoever writes them removes it in one go.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    temporary = _temporary_for(path, crowded=crowded)
    try:
        with told_if_unwritable(path):
            temporary.write_bytes(data)
            publish_file(temporary, path, durable=durable)
    finally:
        temporary.unlink(missing_ok=True)


def publish_file(temporary: Path, path: UPath, *, durable: bool = True) -> None:
    """Make a finished local file visible under its name: an atomic replace, or one upload."""
    if is_local(path):
        if durable:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(Path(path.path))
    else:
        path.fs.put_file(str(temporary), path.path)


def _temporary_for(path: UPath, *, crowded: bool = False) -> Path:
    name = temporary_name(path.name, uuid.uuid4().hex[:12])
    if not is_local(path):
        return Path(tempfile.gettempdir()) / name
    make_directory(path.parent)
    if not crowded:
        remove_stale_temporaries(Path(path.path))
    return Path(path.parent.path) / name


def _missing(path: UPath, made_by: str) -> str:
    return f"{path} is not there" + (f"; materialise {made_by} first" if made_by else "")
