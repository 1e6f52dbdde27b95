"""The ledger in a real Postgres: what the server refuses is told, and what it does by itself changes nothing."""

import re
import socket

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from autotag.errors import AutotagError, PermanentError, RetryableError, UnwritableRootError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, seen, vote
from autotag_tests.review.postgres_server import PASSWORD, PostgresServer, free_port

slow = pytest.mark.slow


@pytest.fixture
def empty(postgres: PostgresServer) -> str:
    """Name of a database with nothing in it."""
    return postgres.new_database()


def is_one_sentence(told: pytest.ExceptionInfo[AutotagError]) -> bool:
    return "\n" not in str(told.value) and PASSWORD not in str(told.value)


def test_a_server_that_does_not_run_is_told_without_the_password() -> None:
    url = f"postgresql+psycopg://ann:secret@127.0.0.1:{free_port()}/ledger"
    with pytest.raises(RetryableError, match=r"ann:\*\*\*@.*does not answer.*see that it runs") as told:
        TagLedger.open(url)
    assert "secret" not in str(told.value)
    assert is_one_sentence(told)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://ann@127.0.0.1:{silent.getsockname()[1]}/ledger"
        with pytest.raises(RetryableError, match=r"does not answer.*timeout.*try again") as told:
            TagLedger.open(url, timeout_s=0.1)
    assert is_one_sentence(told)


@slow
def test_a_wrong_password_and_an_unknown_database_are_told(postgres: PostgresServer, empty: str) -> None:
    for url in (postgres.url(empty, password="wrong"), postgres.url("no_such_database")):
        with pytest.raises(RetryableError, match="lets this user in") as told:
            TagLedger.open(url)
        assert re.search(
            r'password authentication failed for user "autotag"|"no_such_database"', str(told.value)
        )
        assert is_one_sentence(told)


@slow
def test_a_user_without_rights_is_told(postgres: PostgresServer, empty: str) -> None:
    postgres.run(empty, f"CREATE ROLE guest_{empty} LOGIN PASSWORD 'guest'")
    with pytest.raises(UnwritableRootError, match=r"make it writable.*permission denied") as told:
        TagLedger.open(postgres.url(empty, f"guest_{empty}", "guest"))
    assert is_one_sentence(told)


@slow
def test_a_database_that_may_only_be_read_is_told_and_can_be_read(
    postgres: PostgresServer, empty: str
) -> None:
    url = postgres.url(empty)
    with TagLedger.open(url) as ledger:
        ledger.decide([decision("a", "x")], "ann")
    postgres.run("postgres", f"ALTER DATABASE {empty} SET default_transaction_read_only = on")
    with TagLedger.open(url) as ledger:
        with pytest.raises(UnwritableRootError, match="read-only transaction") as told:
            ledger.decide([decision("a", "y")], "ann")
        assert is_one_sentence(told)
        assert seen(ledger, "a")["a"] == [("x", "approved", {}, "ann")]


@slow
def test_a_server_that_was_restarted_is_found_again_by_a_ledger_that_stayed_open(
    postgres: PostgresServer, empty: str
) -> None:
    with TagLedger.open(postgres.url(empty)) as ledger:
        ledger.decide([decision("a", "x")], "ann")
        postgres.stop()
        try:
            with pytest.raises(RetryableError, match="does not answer") as told:
                ledger.decide([decision("a", "y")], "ann")
        finally:
            postgres.start()
        assert is_one_sentence(told)
        ledger.decide([decision("a", "z")], "ann")
        assert [tag.tag for tag in ledger.effective(["a"])["a"]] == ["x", "z"]


@slow
def test_tables_of_other_programs_are_left_alone(postgres: PostgresServer, empty: str) -> None:
    postgres.run(empty, "CREATE TABLE photos (name text)", "INSERT INTO photos VALUES ('a.jpg')")
    with TagLedger.open(postgres.url(empty)) as ledger:
        ledger.decide([decision("a", "x")], "ann")
    postgres.run(empty, "DO $$ BEGIN ASSERT (SELECT count(*) FROM photos) = 1; END $$")


# Postgres packs what repeats itself; this does not, and is more than an index takes.
LONG = "".join(chr(0x4E00 + number * number % 20_011) for number in range(20_000))


@slow
@pytest.mark.parametrize("tag", ["nul\0", LONG], ids=["nul", "long"])
def test_a_tag_that_postgres_cannot_hold_is_told_and_nothing_of_its_write_stays(
    postgres: PostgresServer, empty: str, tag: str
) -> None:
    with TagLedger.open(postgres.url(empty)) as ledger:
        with pytest.raises(PermanentError, match="cannot hold one of the tags") as told:
            ledger.propose("r1", "m", ["a"], ["vote"], [vote("a", "x"), vote("a", tag)])
        assert is_one_sentence(told)
        assert ledger.runs() == []


@slow
def test_tags_come_by_their_code_points_though_the_server_sorts_as_people_do(
    postgres: PostgresServer, empty: str
) -> None:
    postgres.run(empty, "DO $$ BEGIN ASSERT 'apple' < 'Zebra'; END $$")
    tags = ["éclair", "apple", "Zebra", "zebra", "Ångström", "(any)", "a|b"]
    with TagLedger.open(postgres.url(empty)) as ledger:
        ledger.decide([decision("a", tag, "add") for tag in tags], "ann")
        assert list(ledger.approved_media()) == [("a", tuple(sorted(tags)))]


@slow
def test_not_even_all_events_at_once_can_be_thrown_away(postgres: PostgresServer, empty: str) -> None:
    url = postgres.url(empty)
    with TagLedger.open(url) as ledger:
        ledger.decide([decision("a", "x")], "ann")
        database = LedgerDatabase.open(url, 1.0, must_exist=True)
        with pytest.raises(IntegrityError, match="never changed"), database.writing() as connection:
            connection.execute(text("TRUNCATE ledger_events CASCADE"))
        database.close()
        assert len(ledger.history("a")) == 1
