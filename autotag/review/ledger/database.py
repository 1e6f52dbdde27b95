"""The ledger's database: opened, checked, read and written under transactions, its errors told as sentences."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select, text
from upath import UPath

from autotag.errors import BadLedgerError, InUseError, MissingInputError, SettingsError
from autotag.review.ledger.place import parse_url
from autotag.review.ledger.refusals import NO_LEDGER, place_of, told
from autotag.review.ledger.tables import FORMAT, formats, metadata
from autotag.storage.roots import make_directory, told_if_unwritable

_WRITES = "ledger_writes"
_LOOK_S = 0.05
_MAGIC = b"SQLite format 3\0"
_LIBPQ = ("psycopg", "psycopg2")
"""Drivers that know `connect_timeout`, in whole seconds."""
_LEAST_CONNECT_S = 2


class LedgerDatabase:
    """An engine whose reads see one moment, and whose writes come one after the other."""

    def __init__(self, engine: Engine, timeout_s: float) -> None:
        self._engine = engine
        self._timeout_s = timeout_s
        self.where = place_of(engine.url)

    @classmethod
    def open(cls, url: str, timeout_s: float, *, must_exist: bool) -> Self:
        """See `TagLedger.open`."""
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            _prepare_file(UPath(parsed.database), must_exist)
        database = cls(_engine(parsed, timeout_s), timeout_s)
        try:
            database._check(must_exist)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the ledger as it was at its first query."""
        with told(self.where), self._engine.connect() as connection:
            if not self._is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writes beside; committed at the end of the block, undone by an error in it."""
        with told(self.where), self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            if not self._is_sqlite:  # after the lock it has to see what the writer before it wrote
                connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                if not self._is_sqlite:
                    self._lock_out(connection)
                yield connection

    def _lock_out(self, connection: Connection) -> None:
        """Postgres has no one writer by itself; a lock that is no table's is there before the tables are."""
        connection.execute(text(f"SET LOCAL lock_timeout = {max(1, round(self._timeout_s * 1000))}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('autotag ledger'))"))

    def _check(self, must_exist: bool) -> None:
        with self.reading() as connection:
            names = set(inspect(connection).get_table_names())
        if formats.name not in names:
            if names and self._is_sqlite:
                raise BadLedgerError(
                    f"{self.where} is a database of something else, not a tag ledger; set [review] ledger to another place"
                )
            if must_exist:
                raise _missing(self.where)
            self._create()
        with self.reading() as connection:
            found = connection.execute(select(formats.c.format)).scalars().all()
        if found != [FORMAT]:
            raise BadLedgerError(
                f"{self.where} is a tag ledger of format {found}, and this release of autotag reads {FORMAT}: use the"
                " release that made it, or a later one"
            )

    def _create(self) -> None:
        if self._is_sqlite:
            self._write_ahead()
        with self.writing() as connection:
            if not inspect(connection).has_table(formats.name):
                metadata.create_all(connection)
                connection.execute(formats.insert().values(format=FORMAT))

    def _write_ahead(self) -> None:
        """Let readers and a writer work side by side; a file system without shared memory stays as it is."""
        over = time.monotonic() + self._timeout_s
        while True:
            # SQLite's own patience does not hold for this.
            try:
                with told(self.where):
                    connection = self._engine.raw_connection()
                    try:
                        connection.cursor().execute("PRAGMA journal_mode=WAL")
                    finally:
                        connection.close()
                return
            except InUseError:
                if time.monotonic() > over:
                    raise
                time.sleep(_LOOK_S)

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"


def _engine(url: URL, timeout_s: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return _server_engine(url, timeout_s)
    engine = create_engine(url, connect_args={"timeout": timeout_s})
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    return engine


def _server_engine(url: URL, timeout_s: float) -> Engine:
    patience: dict[str, Any] = {}
    if url.get_driver_name() in _LIBPQ and "connect_timeout" not in url.query:
        patience["connect_timeout"] = max(_LEAST_CONNECT_S, math.ceil(timeout_s))
    try:
        # A page is open for days: connections that the server has dropped since are made anew.
        return create_engine(url, connect_args=patience, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"[review] ledger: {place_of(url)} needs the Python package {error.name}; install it"
            " (autotag[postgres] brings psycopg, for postgresql+psycopg://), or use SQLite"
        ) from error


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    # A write that began as a read would be refused, without patience, when another one writes.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: UPath, must_exist: bool) -> None:
    if must_exist and not path.exists():
        raise _missing(str(path))
    if path.is_dir():
        raise BadLedgerError(f"{path} is a directory; [review] ledger names the ledger's file")
    if path.exists() and not _may_be_sqlite(path):
        raise BadLedgerError(f"{path}: {NO_LEDGER}")
    make_directory(path.parent)


def _may_be_sqlite(path: UPath) -> bool:
    """Of a few bytes of something else, SQLite itself would say that they are an empty database, and overwrite them."""
    with told_if_unwritable(path), path.open("rb") as stream:
        return stream.read(len(_MAGIC)) in (b"", _MAGIC)


def _missing(where: str) -> MissingInputError:
    return MissingInputError(f"there is no tag ledger yet ({where}): the first proposal or decision makes it")
