"""The ledger as an SQLite file: made where it is asked for, and nothing else taken for it."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event

from autotag.errors import BadLedgerError, InUseError, MissingInputError, UnwritableRootError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, seen, url_of, vote


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of a ledger with one decision."""
    path = tmp_path / "ledger.sqlite"
    with TagLedger.open(url_of(path)) as ledger:
        ledger.decide([decision("a", "x")], "ann")
    return path


def test_a_ledger_is_made_with_the_directories_above_it_and_opened_again(tmp_path: Path) -> None:
    url = url_of(tmp_path / "new" / "data" / "ledger.sqlite")
    with TagLedger.open(url) as ledger:
        ledger.decide([decision("a", "x")], "ann")
    with TagLedger.open(url) as ledger:
        assert seen(ledger, "a")["a"] == [("x", "approved", {}, "ann")]


def test_a_ledger_that_must_exist_makes_no_directory(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no tag ledger yet"):
        TagLedger.open(url_of(tmp_path / "data" / "ledger.sqlite"), must_exist=True)
    assert not (tmp_path / "data").exists()


class locked:  # noqa: N801 (reads as a word of the tests)
    """The write lock, held by another connection."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def test_a_new_file_that_another_process_holds_is_in_use(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with locked(file), pytest.raises(InUseError):
        TagLedger.open(url_of(file), timeout_s=0.2)
    TagLedger.open(url_of(file)).close()


@pytest.mark.parametrize(
    "content", [b"not a database, though long enough to have a header\n" * 20, b"x"], ids=["text", "one byte"]
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(content)
    with pytest.raises(BadLedgerError, match=r"ledger\.sqlite.*no tag ledger.*\[review\] ledger"):
        TagLedger.open(url_of(file))
    assert file.read_bytes() == content


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with pytest.raises(BadLedgerError, match="something else"):
        TagLedger.open(url_of(file))
    assert file.read_bytes() == before


def test_a_damaged_ledger_is_refused(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(BadLedgerError, match="damaged"), TagLedger.open(url_of(file)) as ledger:
        ledger.effective(["a"])


def test_a_directory_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(BadLedgerError, match="is a directory"):
        TagLedger.open(url_of(tmp_path))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a directory should be")
    with pytest.raises(UnwritableRootError, match="cannot be written"):
        TagLedger.open(url_of(tmp_path / "data" / "ledger.sqlite"))


def test_a_full_disk_is_told_and_nothing_of_the_write_stays(file: Path) -> None:
    with TagLedger.open(url_of(file)) as ledger:
        event.listen(ledger._database._engine, "begin", no_more_pages)
        with pytest.raises(UnwritableRootError, match="full"):
            ledger.propose("r1", "m", ["a"], ["vote"], [vote("a", "x" * 100_000)])
        event.remove(ledger._database._engine, "begin", no_more_pages)
        assert [run.kind for run in ledger.runs()] == ["person"]
        assert seen(ledger, "a")["a"] == [("x", "approved", {}, "ann")]


def no_more_pages(connection: object) -> None:
    """SQLite answers as it does when the file system has no room."""
    connection.connection.cursor().execute("PRAGMA max_page_count = 1")  # pyright: ignore


def test_a_ledger_that_may_only_be_read_is_told(file: Path) -> None:
    with TagLedger.open(url_of(file)) as ledger:
        event.listen(ledger._database._engine, "begin", read_only)
        with pytest.raises(UnwritableRootError, match="make it writable"):
            ledger.decide([decision("a", "y")], "ann")


def read_only(connection: object) -> None:
    connection.connection.cursor().execute("PRAGMA query_only = 1")  # pyright: ignore
