import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.errors import MissingInputError, PermanentError, UnwritableRootError
from autotag.storage import tables
from autotag.storage.tables import (
    Stamp,
    TableWriter,
    count_rows,
    is_current,
    iter_batches,
    read_schema,
    read_stamp,
    read_table,
    write_bytes,
    write_table,
    write_text,
)

SCHEMA = pa.schema([pa.field("file", pa.string(), nullable=False), pa.field("n", pa.int32())])


def rows(*numbers: int) -> pa.Table:
    return pa.table({"file": [f"f{number:05d}" for number in numbers], "n": list(numbers)}, schema=SCHEMA)


@pytest.fixture
def path(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "deep" / "t.parquet")


def names(path: UPath) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_a_table_comes_back_with_its_stamp(path: UPath) -> None:
    stamp = Stamp("t", "d+e", "abc", {"counts": {"made": 2}, "who": "é"})
    write_table(path, rows(1, 2), SCHEMA, stamp)
    assert read_table(path).to_pylist() == rows(1, 2).to_pylist()
    assert read_stamp(path) == stamp
    assert read_schema(path).names == SCHEMA.names
    assert count_rows(path) == 2
    assert names(path) == ["t.parquet"]


def test_pieces_share_row_groups_and_keep_their_order(path: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 4)
    with TableWriter(path, SCHEMA, Stamp("t")) as writer:
        for first in range(0, 9, 3):
            writer.write(
                {"file": [f"f{n}" for n in range(first, first + 3)], "n": list(range(first, first + 3))}
            )
        writer.write(SCHEMA.empty_table())
        assert writer.rows == 9
    assert read_table(path)["n"].to_pylist() == list(range(9))
    assert pq.ParquetFile(str(path)).num_row_groups == 2
    assert [batch.num_rows for batch in iter_batches(path, ["n"], 5)] == [5, 4]


def test_row_groups_may_be_made_smaller_than_what_is_written_at_once(path: UPath) -> None:
    with TableWriter(path, SCHEMA, Stamp("t"), group_rows=4) as writer:
        writer.write(rows(*range(9)))
        writer.write(rows(9))
    assert pq.ParquetFile(str(path)).num_row_groups == 4
    write_table(path, rows(*range(9)), SCHEMA, Stamp("t"), group_rows=4)
    groups = pq.read_metadata(str(path))
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [4, 4, 1]
    assert read_table(path)["n"].to_pylist() == list(range(9))


def test_an_empty_table_is_a_table(path: UPath) -> None:
    with TableWriter(path, SCHEMA, Stamp("t", fingerprint="x")):
        pass
    assert read_table(path).num_rows == 0
    assert is_current(path, "x")


def test_the_stamp_may_be_filled_until_the_end(path: UPath) -> None:
    stamp = Stamp("t")
    with TableWriter(path, SCHEMA, stamp) as writer:
        writer.write(rows(1))
        stamp.extra["counts"] = 1
    found = read_stamp(path)
    assert found is not None
    assert found.extra == {"counts": 1}


def test_a_writer_that_fails_leaves_the_table_before_it(path: UPath) -> None:
    write_table(path, rows(1), SCHEMA, Stamp("t", fingerprint="old"))

    def fail_midway() -> None:
        with TableWriter(path, SCHEMA, Stamp("t", fingerprint="new")) as writer:
            writer.write(rows(2))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_midway()
    assert is_current(path, "old")
    assert names(path) == ["t.parquet"]


KILLED_WRITER = """
import os, signal, sys
import pyarrow as pa
from upath import UPath
from autotag.storage import tables
tables.ROW_GROUP_ROWS = 1
schema = pa.schema([pa.field("file", pa.string(), nullable=False), pa.field("n", pa.int32())])
with tables.TableWriter(UPath(sys.argv[1]), schema, tables.Stamp("t")) as writer:
    writer.write({"file": ["x"], "n": [3]})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_killed_midway_leaves_the_old_table_and_the_next_one_sweeps_up(path: UPath) -> None:
    write_table(path, rows(1), SCHEMA, Stamp("t", fingerprint="old"))
    died = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert is_current(path, "old")
    left = [name for name in names(path) if name != "t.parquet"]
    assert len(left) == 1
    assert left[0].startswith(".")
    write_table(UPath(path.parent / "other.parquet"), rows(1), SCHEMA, Stamp("t"))
    assert left[0] in names(path)  # only the same table's writer sweeps
    write_table(path, rows(2), SCHEMA, Stamp("t", fingerprint="new"))
    assert names(path) == ["other.parquet", "t.parquet"]


def test_the_temporary_of_a_living_writer_is_left_alone(path: UPath) -> None:
    with TableWriter(path, SCHEMA, Stamp("t", fingerprint="first")) as writer:
        write_table(path, rows(2), SCHEMA, Stamp("t", fingerprint="second"))
        writer.write(rows(1))
    assert is_current(path, "first")


def with_flipped_footer() -> bytes:
    """A table whose ends are whole, and the footer's length too."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows(*range(100)), sink)
    data = bytearray(sink.getvalue())
    footer = slice(-8 - int.from_bytes(data[-8:-4], "little"), -8)
    data[footer] = bytes(each ^ 0xFF for each in data[footer])
    return bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PAR1", id="cut off"),
        pytest.param(b"no parquet at all" * 10, id="something else"),
        pytest.param(with_flipped_footer(), id="flipped footer"),
    ],
)
def test_a_damaged_file_is_not_current(path: UPath, damage: bytes) -> None:
    write_bytes(path, damage)
    assert read_stamp(path) is None
    assert not is_current(path, "")
    with pytest.raises(PermanentError, match=r"(?s)t\.parquet is damaged.*materialise cats again"):
        read_table(path, made_by="cats")
    for read in (count_rows, read_schema, lambda path: list(iter_batches(path, ["n"]))):
        with pytest.raises(PermanentError, match=r"(?s)t\.parquet is damaged.*the asset that made it again"):
            read(path)
    with pytest.raises(PermanentError, match=r"(?s)t\.parquet is damaged.*materialise cats again"):
        list(iter_batches(path, ["n"], made_by="cats"))


def test_pages_that_are_damaged_below_a_whole_footer_are_told_where_they_are_read(path: UPath) -> None:
    write_table(path, rows(*range(100)), SCHEMA, Stamp("t", fingerprint="x"))
    data = bytearray(path.read_bytes())
    page = pq.read_metadata(str(path)).row_group(0).column(1).data_page_offset
    data[page : page + 8] = bytes(8)
    path.write_bytes(bytes(data))
    assert is_current(path, "x")
    with pytest.raises(PermanentError, match=r"(?s)t\.parquet is damaged.*materialise cats again"):
        read_table(path, made_by="cats")
    with pytest.raises(PermanentError, match=r"(?s)t\.parquet is damaged.*materialise cats again"):
        list(iter_batches(path, ["n"], made_by="cats"))


def test_memory_that_runs_out_says_nothing_against_the_file(
    path: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(path, rows(1), SCHEMA, Stamp("t"))

    def too_large(*args: object, **kwargs: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 9 failed")

    monkeypatch.setattr(pq, "read_table", too_large)
    with pytest.raises(MemoryError, match="malloc"):
        read_table(path)


def test_what_the_reader_of_rows_raises_is_left_as_it_is(path: UPath) -> None:
    write_table(path, rows(*range(9)), SCHEMA, Stamp("t"))

    def read_until_the_disk_is_full() -> None:
        for _ in iter_batches(path, ["n"], 2):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        read_until_the_disk_is_full()


def test_a_cut_off_file_is_not_current(path: UPath) -> None:
    write_table(path, rows(*range(100)), SCHEMA, Stamp("t", fingerprint="x"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not is_current(path, "x")


@pytest.mark.parametrize(
    "stamp", [b"[]", b"3", b"{", b'{"version": 1, "wings": 2}', b'{"version": 99, "table": "t"}']
)
def test_a_stamp_that_is_not_ours_is_none(path: UPath, stamp: bytes) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(rows(1).replace_schema_metadata({b"autotag": stamp}), str(path))
    assert read_stamp(path) is None
    pq.write_table(rows(1), str(path))
    assert read_stamp(path) is None


def test_what_is_missing_is_named_with_the_asset_that_makes_it(path: UPath) -> None:
    assert read_stamp(path) is None
    with pytest.raises(MissingInputError, match=r"t\.parquet is not there; materialise target_crops first"):
        read_table(path, made_by="target_crops")
    for read in (count_rows, read_schema, lambda p: list(iter_batches(p, ["n"]))):
        with pytest.raises(MissingInputError, match="is not there"):
            read(path)


def test_a_span_reads_only_its_rows(path: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 10)
    with TableWriter(path, SCHEMA, Stamp("t")) as writer:
        for first in range(0, 100, 10):
            writer.write(rows(*range(first, first + 10)))
    assert read_table(path, span=("file", "f00017", "f00022"))["n"].to_pylist() == list(range(17, 23))
    assert read_table(path, ["n"], span=("file", "f2", "f3")).num_rows == 0


def test_a_root_that_refuses_is_an_unwritable_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = UPath(tmp_path / "file" / "t.parquet")
    with pytest.raises(UnwritableRootError, match="cannot be written"):
        write_table(path, rows(1), SCHEMA, Stamp("t"))
    with pytest.raises(UnwritableRootError, match="cannot be written"):
        write_bytes(path, b"")


def test_a_disk_that_fills_up_is_an_unwritable_root(path: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwritableRootError, match="No space left on device"):
        write_table(path, rows(1), SCHEMA, Stamp("t"))
    with pytest.raises(UnwritableRootError, match="No space left on device"):
        write_text(path, "x")
    assert names(path) == []


def test_small_files_are_replaced_whole(path: UPath) -> None:
    write_text(path, "one")
    write_bytes(path, "zwei ß".encode(), durable=False)
    assert path.read_text(encoding="utf-8") == "zwei ß"
    assert names(path) == ["t.parquet"]


def test_an_object_store_gets_the_whole_file_in_one_piece() -> None:
    path = UPath("memory://bucket/deep/t.parquet")
    write_table(path, rows(1, 2), SCHEMA, Stamp("t", fingerprint="x"))
    assert is_current(path, "x")
    assert [entry.name for entry in path.parent.iterdir()] == ["t.parquet"]
    with pytest.raises(RuntimeError), TableWriter(path, SCHEMA, Stamp("t", fingerprint="y")):
        raise RuntimeError
    assert is_current(path, "x")
