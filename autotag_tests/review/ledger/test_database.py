"""What every ledger keeps to, whatever database it lies in: opened, locked, written by several at once."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, delete, make_url, update
from sqlalchemy.exc import IntegrityError

from autotag.errors import BadLedgerError, InUseError, MissingInputError, SettingsError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.tables import FORMAT, events, formats, standing
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, kept, replayed, seen, vote

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def made(url: str) -> str:
    """Of a ledger with one decision."""
    with TagLedger.open(url) as ledger:
        ledger.decide([decision("a", "x")], "ann")
    return url


@contextmanager
def locked(url: str) -> Iterator[Connection]:
    """The ledger's one place for writers, taken."""
    database = LedgerDatabase.open(url, 30.0, must_exist=True)
    try:
        with database.writing() as connection:
            yield connection
    finally:
        database.close()


def test_a_ledger_is_found_again_as_it_was_left(made: str) -> None:
    with TagLedger.open(made, must_exist=True) as ledger:
        assert seen(ledger, "a")["a"] == [("x", "approved", {}, "ann")]


def test_a_ledger_that_must_exist_is_not_made(url: str) -> None:
    for _ in range(2):
        with pytest.raises(MissingInputError, match="no tag ledger yet"):
            TagLedger.open(url, must_exist=True)


def test_events_cannot_be_changed_or_deleted(made: str) -> None:
    for change in (update(events).values(tag="y"), delete(events)):
        with pytest.raises(IntegrityError, match="never changed"), locked(made) as connection:
            connection.execute(change)
    with TagLedger.open(made) as ledger:
        assert [each.tag for each in ledger.history("a")] == ["x"]


def test_readers_do_not_wait_for_a_writer_nor_see_what_it_has_not_finished(made: str) -> None:
    with locked(made) as connection, TagLedger.open(made, timeout_s=0.1) as ledger:
        connection.execute(delete(standing))
        assert len(ledger.effective(["a"])["a"]) == 1


def test_a_ledger_locked_by_another_process_says_so_and_takes_the_decision_later(made: str) -> None:
    holding, let_go = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(made, holding, let_go))
    other.start()
    place = make_url(made).database
    try:
        assert holding.wait(60)
        with TagLedger.open(made, timeout_s=0.2) as ledger:
            with pytest.raises(InUseError, match=rf"{place}.*another process.*try again") as told:
                ledger.decide([decision("a", "y")], "ann")
            assert "\n" not in str(told.value)
            with pytest.raises(InUseError):
                ledger.propose("r1", "m", ["a"], ["vote"], [vote("a", "y")])
            let_go.set()
            other.join(60)
            ledger.decide([decision("a", "y")], "ann")
            assert [tag.tag for tag in ledger.effective(["a"])["a"]] == ["x", "y"]
    finally:
        let_go.set()
        other.join(60)


def hold(url: str, holding: threading.Event, let_go: threading.Event) -> None:
    with locked(url):
        holding.set()
        let_go.wait(60)


def test_a_write_waits_for_a_short_one(made: str) -> None:
    with TagLedger.open(made, timeout_s=30) as ledger, ThreadPoolExecutor(1) as pool:
        with locked(made):
            waiting = pool.submit(ledger.decide, [decision("a", "y")], "ann")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        waiting.result(timeout=30)
        assert len(ledger.effective(["a"])["a"]) == 2


def test_two_sessions_that_approve_the_same_image_agree(made: str) -> None:
    with TagLedger.open(made) as one, TagLedger.open(made) as two:
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
def test_processes_that_write_side_by_side_lose_nothing(url: str) -> None:
    writers = [SPAWN.Process(target=write_much, args=(url, name)) for name in ("p", "q")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(240)
    assert [writer.exitcode for writer in writers] == [0, 0]
    with TagLedger.open(url) as ledger:
        assert len(ledger.runs()) == 2 * 2 * 30
        assert len(ledger.effective(["a"])["a"]) == 60
    with locked(url) as connection:
        assert kept(connection) == replayed(connection)


def write_much(url: str, name: str) -> None:
    """The first of two makes the ledger, too."""
    with TagLedger.open(url, timeout_s=120) as ledger:
        for number in range(30):
            ledger.decide([decision("a", f"{name}{number}")], name)
            ledger.propose(f"{name}{number}", "m", [name], ["vote"], [vote(name, "x", number)])


def test_an_error_in_the_middle_of_a_write_takes_all_of_it_back(made: str) -> None:
    with pytest.raises(KeyError), locked(made) as connection:
        write_half(connection)
    TagLedger.open(made, must_exist=True).close()


def write_half(connection: Connection) -> None:
    connection.execute(update(formats).values(format=FORMAT + 1))
    raise KeyError


def test_a_ledger_of_a_later_release_is_refused(made: str) -> None:
    with locked(made) as connection:
        connection.execute(update(formats).values(format=FORMAT + 1))
    with pytest.raises(BadLedgerError, match=rf"format \[{FORMAT + 1}\]"):
        TagLedger.open(made)


def test_a_missing_driver_is_told_without_the_password() -> None:
    with pytest.raises(
        SettingsError, match=r"Python package pg8000; install it.*autotag\[postgres\]"
    ) as told:
        TagLedger.open("postgresql+pg8000://ann:secret@db/ledger")
    assert "secret" not in str(told.value)
