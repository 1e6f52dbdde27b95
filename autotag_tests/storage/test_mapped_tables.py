"""Tables that are looked up where they lie."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.errors import CorruptIndexError, UnwritableRootError
from autotag.storage import mapped_tables
from autotag.storage.mapped_tables import MappedTable, MappedTableWriter

SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("shard", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("box", pa.list_(pa.field("px", pa.int32(), nullable=False), 4), nullable=False),
        pa.field("tags", pa.list_(pa.field("tag", pa.int32(), nullable=False)), nullable=False),
    ]
)


def table(first: int, count: int) -> pa.Table:
    numbers = range(first, first + count)
    shards = pa.DictionaryArray.from_arrays(pa.array([n % 3 for n in numbers], pa.int32()), ["a", "b", "c"])
    return pa.table(
        {
            "number": list(numbers),
            "name": [f"n{n}" for n in numbers],
            "shard": shards,
            "box": [[n, n, n, n] for n in numbers],
            "tags": [list(range(n % 4)) for n in numbers],
        },
        schema=SCHEMA,
    )


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(1, 7), st.data())
def test_rows_come_as_asked_whatever_pieces_were_written(
    pieces: list[int], batch_rows: int, data: st.DataObject
) -> None:
    whole = sum(pieces)
    rows = data.draw(st.lists(st.integers(0, whole - 1), max_size=9)) if whole else []
    columns = data.draw(st.lists(st.sampled_from(SCHEMA.names), min_size=1, unique=True))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(mapped_tables, "BATCH_ROWS", batch_rows)
        path = Path(directory) / "t.arrow"
        with MappedTableWriter(path, SCHEMA) as writer:
            for place, count in enumerate(pieces):
                writer.write(table(sum(pieces[:place]), count))
        patch.undo()
        opened = MappedTable(path, SCHEMA)
    assert opened.rows == whole
    found = opened.take(np.array(rows, np.int64), columns)
    assert found.schema.equals(pa.schema([SCHEMA.field(name) for name in columns]))
    assert found.to_pylist() == table(0, whole).select(columns).take(pa.array(rows, pa.int64())).to_pylist()


@pytest.mark.parametrize("rows", [[3], [-1], [0, 99]])
def test_a_row_that_is_not_there_is_an_error(tmp_path: Path, rows: list[int]) -> None:
    with MappedTableWriter(tmp_path / "t", SCHEMA) as writer:
        writer.write(table(0, 3))
    with pytest.raises(IndexError, match="not all among 3"):
        MappedTable(tmp_path / "t", SCHEMA).take(np.array(rows))


def test_any_tool_that_reads_arrow_reads_it(tmp_path: Path) -> None:
    with MappedTableWriter(tmp_path / "t", SCHEMA) as writer:
        writer.write(table(0, 5))
    found = pa.ipc.open_file(tmp_path / "t").read_all()
    assert found.to_pylist() == table(0, 5).to_pylist()


def test_what_is_no_such_table_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    with pytest.raises(CorruptIndexError, match=r"t\.arrow cannot be read.*build-index"):
        MappedTable(path, SCHEMA)
    for content in (b"", b"ARROW1\0\0 and nothing else"):
        path.write_bytes(content)
        with pytest.raises(CorruptIndexError, match=r"t\.arrow cannot be read.*build-index"):
            MappedTable(path, SCHEMA)
    with pa.ipc.new_file(path, SCHEMA) as foreign:
        foreign.write_table(table(0, 1))
    with pytest.raises(CorruptIndexError, match=r"t\.arrow cannot be read.*rows_a_batch"):
        MappedTable(path, SCHEMA)
    with MappedTableWriter(path, pa.schema([SCHEMA.field("number")])) as writer:
        writer.write(table(0, 1).select(["number"]))
    with pytest.raises(CorruptIndexError, match="other columns"):
        MappedTable(path, SCHEMA)


def test_a_writer_that_was_stopped_leaves_no_table(tmp_path: Path) -> None:
    writer = MappedTableWriter(tmp_path / "t", SCHEMA)
    with pytest.raises(ValueError, match="field names"), writer:
        writer.write(table(0, 5).select(["number"]))
    with pytest.raises(CorruptIndexError):
        MappedTable(tmp_path / "t", SCHEMA)


def test_opening_and_looking_up_read_neither_the_file_nor_a_batch_of_it(tmp_path: Path) -> None:
    rows = 500_000
    numbers = pa.table({"number": np.arange(rows), "text": pa.array(["x" * 40] * rows)})
    schema = pa.schema([pa.field(name, numbers.schema.field(name).type) for name in numbers.schema.names])
    with MappedTableWriter(tmp_path / "t", schema) as writer:
        writer.write(numbers)
    del numbers
    before = pa.total_allocated_bytes()
    opened = MappedTable(tmp_path / "t", schema)
    found = opened.take(np.arange(0, rows, 5000))
    assert found["number"].to_pylist() == list(range(0, rows, 5000))
    assert pa.total_allocated_bytes() - before < (tmp_path / "t").stat().st_size / 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_named_with_the_remedy() -> None:
    with (
        pytest.raises(UnwritableRootError, match=r"/dev/full: cannot be written .*make room"),
        MappedTableWriter(Path("/dev/full"), SCHEMA) as writer,
    ):
        writer.write(table(0, mapped_tables.BATCH_ROWS))
