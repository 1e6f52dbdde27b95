"""What a ledger's database refuses, told as a sentence: which ledger, why, and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from autotag.errors import (
    AutotagError,
    BadLedgerError,
    InUseError,
    PermanentError,
    RetryableError,
    UnwritableRootError,
)

NO_LEDGER = (
    "this is no tag ledger, or it is damaged; bring back a copy, or set [review] ledger to another place"
)
_SQLITE = {
    sqlite3.SQLITE_BUSY: InUseError,
    sqlite3.SQLITE_LOCKED: InUseError,
    sqlite3.SQLITE_PERM: UnwritableRootError,
    sqlite3.SQLITE_READONLY: UnwritableRootError,
    sqlite3.SQLITE_IOERR: UnwritableRootError,
    sqlite3.SQLITE_FULL: UnwritableRootError,
    sqlite3.SQLITE_CANTOPEN: UnwritableRootError,
    sqlite3.SQLITE_CORRUPT: BadLedgerError,
    sqlite3.SQLITE_NOTADB: BadLedgerError,
}
_POSTGRES = {
    "55P03": InUseError,
    "53100": UnwritableRootError,
    "25006": UnwritableRootError,
    "42501": UnwritableRootError,
}
"""By SQLSTATE: lock not available, disk full, read-only transaction, no privilege."""
_TOO_LONG = "54000"
"""SQLSTATE of a text that is too long for an index of Postgres: some 2,700 bytes."""
_REMEDIES = {
    InUseError: "another process is writing to the ledger; try again when it is done",
    UnwritableRootError: "the ledger cannot be written; make room, make it writable, or set [review] ledger to another place",
    BadLedgerError: NO_LEDGER,
}


def place_of(url: URL) -> str:
    """Where a ledger lies, for people: the path of a file, else the URL without its password."""
    if url.get_backend_name() == "sqlite" and url.database:
        return str(Path(url.database))
    return url.render_as_string(hide_password=True)


@contextmanager
def told(where: str) -> Iterator[None]:
    """What the database refuses inside the block is told with the place and the remedy.

    Raises:
        InUseError: another process keeps the ledger locked.
        UnwritableRootError: the disk is full, or this user may not write.
        BadLedgerError: the file is damaged, or none of a database.
        RetryableError: the server does not answer, or lets nobody in.
        PermanentError: a text that the database cannot hold.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if (sentence := _sentence(where, error)) is None:
            raise
        raise sentence from error


def _sentence(where: str, error: DBAPIError | sqlite3.Error) -> AutotagError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    said = " ".join(str(cause).split())
    code = getattr(cause, "sqlite_errorcode", None)
    # The lower byte is the kind, the upper ones say more of it.
    kind = _POSTGRES.get(getattr(cause, "sqlstate", "")) if code is None else _SQLITE.get(code & 0xFF)
    if kind is not None:
        return kind(f"{where}: {_REMEDIES[kind]} ({said})")
    if isinstance(error, DataError) or getattr(cause, "sqlstate", "") == _TOO_LONG:
        return PermanentError(
            f"{where}: the database cannot hold one of the tags or names as it is ({said}); shorten or correct it"
        )
    if isinstance(error, OperationalError) and code is None:
        return RetryableError(
            f"{where}: the database does not answer ({said}); see that it runs and lets this user in, and try again"
        )
    return None
