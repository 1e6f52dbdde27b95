import multiprocessing
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, event, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from autotag.errors import BadLedgerError, InUseError, MissingInputError, SettingsError, UnwritableRootError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.tables import FORMAT, events, metadata
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, kept, replayed, seen, url_of, vote

SPAWN = multiprocessing.get_context("spawn")


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


def test_a_ledger_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no tag ledger yet"):
        TagLedger.open(url_of(tmp_path / "data" / "ledger.sqlite"), must_exist=True)
    assert not (tmp_path / "data").exists()


def test_events_cannot_be_changed_or_deleted(file: Path) -> None:
    with TagLedger.open(url_of(file)) as ledger:
        database = LedgerDatabase.open(url_of(file), 1.0, must_exist=True)
        for change in (update(events).values(tag="y"), delete(events)):
            with pytest.raises(IntegrityError, match="never changed"), database.writing() as connection:
                connection.execute(change)
        database.close()
        assert [each.tag for each in ledger.history("a")] == ["x"]


def test_readers_do_not_wait_for_a_writer(file: Path) -> None:
    with TagLedger.open(url_of(file), timeout_s=0.1) as ledger, locked(file):
        assert len(ledger.effective(["a"])["a"]) == 1


def test_a_ledger_locked_by_another_process_says_so_and_takes_the_decision_later(file: Path) -> None:
    holding, let_go = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(str(file), holding, let_go))
    other.start()
    try:
        assert holding.wait(60)
        with TagLedger.open(url_of(file), timeout_s=0.2) as ledger:
            with pytest.raises(InUseError, match=r"ledger\.sqlite.*another process.*try again"):
                ledger.decide([decision("a", "y")], "ann")
            with pytest.raises(InUseError):
                ledger.propose("r1", "m", ["a"], ["vote"], [vote("a", "y")])
            let_go.set()
            other.join(60)
            ledger.decide([decision("a", "y")], "ann")
            assert [tag.tag for tag in ledger.effective(["a"])["a"]] == ["x", "y"]
    finally:
        let_go.set()
        other.join(60)


def hold(file: str, holding: threading.Event, let_go: threading.Event) -> None:
    with locked(Path(file)):
        holding.set()
        let_go.wait(60)


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


def test_a_write_waits_for_a_short_one(file: Path) -> None:
    with TagLedger.open(url_of(file), timeout_s=30) as ledger, ThreadPoolExecutor(1) as pool:
        with locked(file):
            waiting = pool.submit(ledger.decide, [decision("a", "y")], "ann")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        waiting.result(timeout=30)
        assert len(ledger.effective(["a"])["a"]) == 2


def test_two_sessions_that_approve_the_same_image_agree(file: Path) -> None:
    with TagLedger.open(url_of(file)) as one, TagLedger.open(url_of(file)) as two:
        words = [decision("b", "bird"), decision("b", "sea")]
        together = threading.Barrier(2)

        def approve(ledger: TagLedger) -> str:
            together.wait(30)
            return ledger.decide(words, "ann")

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(approve, (one, two))
        assert first != second
        assert len(one.history("b")) == 2
        assert seen(one, "b") == seen(two, "b")
        assert {run.run_id for run in one.runs()} >= {first, second}


@pytest.mark.slow
def test_processes_that_write_side_by_side_lose_nothing(tmp_path: Path) -> None:
    url = url_of(tmp_path / "ledger.sqlite")
    writers = [SPAWN.Process(target=write_much, args=(url, name)) for name in ("p", "q")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(240)
    assert [writer.exitcode for writer in writers] == [0, 0]
    with TagLedger.open(url) as ledger:
        assert len(ledger.runs()) == 2 * 2 * 30
        assert len(ledger.effective(["a"])["a"]) == 60
    database = LedgerDatabase.open(url, 1.0, must_exist=True)
    with database.reading() as connection:
        assert kept(connection) == replayed(connection)
    database.close()


def write_much(url: str, name: str) -> None:
    with TagLedger.open(url, timeout_s=120) as ledger:
        for number in range(30):
            ledger.decide([decision("a", f"{name}{number}")], name)
            ledger.propose(f"{name}{number}", "m", [name], ["vote"], [vote(name, "x", number)])


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


def test_a_ledger_of_a_later_release_is_refused(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE ledger_format SET format = ?", (FORMAT + 1,))
    connection.commit()
    connection.close()
    with pytest.raises(BadLedgerError, match=rf"format \[{FORMAT + 1}\]"):
        TagLedger.open(url_of(file))


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


def test_a_missing_driver_is_told_without_the_password() -> None:
    with pytest.raises(SettingsError, match="Python package") as told:
        TagLedger.open("postgresql+pg8000://ann:secret@db/ledger")
    assert "secret" not in str(told.value)


def test_postgres_is_given_the_same_tables() -> None:
    dialect = postgresql.dialect()
    told = "\n".join(str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables)
    indexes = "\n".join(str(CreateIndex(index).compile(dialect=dialect)) for index in events.indexes)
    assert "number BIGINT NOT NULL" in told
    assert "score FLOAT(53)" in told
    assert "WITHOUT ROWID" not in told
    assert "WHERE source = ''" in indexes
