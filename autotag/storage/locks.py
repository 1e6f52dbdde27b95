"""Locks on what one process may work on at a time: a folder's results, a shard's tables, a model's releases.

The operating system holds them, so a holder that is killed lets go. An object store has none: there, only Dagster's
pools keep two runs apart.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from upath import UPath

from autotag.errors import InUseError, UnwritableRootError
from autotag.storage.removal import remove_file
from autotag.storage.roots import is_local, make_directory
from autotag.storage.tables import write_text

PATIENCE_S = 3.0
"""Long enough for another run's short step, and for a killed worker to end; nobody waits longer for a sentence."""


@contextmanager
def held(path: UPath, what: str) -> Iterator[None]:
    """Hold a lock inside the block, waiting `PATIENCE_S` for it; the lock file stays. On an object store nothing is held.

    Args:
        path: of the lock file; who holds it is told in a file beside it.
        what: is locked, for the message: "folder birds".

    Raises:
        InUseError: another process holds it; the message says who, since when, and what to do.
        UnwritableRootError: the file system refuses.
    """
    if not is_local(path):
        yield
        return
    make_directory(path.parent)
    lock = FileLock(path.path)
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout as error:
        raise InUseError(_told(path, what)) from error
    except OSError as error:
        raise UnwritableRootError(
            f"{path}: cannot be locked ({error.strerror or error}); make it writable or set another root under [paths]"
        ) from error
    try:
        _sign(path)
        yield
    finally:
        remove_file(_holder(path))
        lock.release()


def is_held(path: UPath) -> bool:
    """Whether another holds the lock now; never on an object store."""
    if not is_local(path) or not path.exists():
        return False
    lock = FileLock(path.path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def refuse_held(path: UPath, what: str) -> None:
    """Nothing, where nobody holds the lock.

    Raises:
        InUseError: another process holds it.
    """
    if is_held(path):
        raise InUseError(_told(path, what))


def _sign(path: UPath) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    write_text(_holder(path), json.dumps(facts), durable=False)


def _told(path: UPath, what: str) -> str:
    who, since = "another process", ""
    # It may let go, or be about to sign, just now.
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads(_holder(path).read_text(encoding="utf-8"))
        who, since = f"process {facts['process']} on {facts['host']}", f" since {facts['since']}"
    return (
        f"{what} is being worked on by {who}{since} ({path}); wait for it, or end it: its lock ends with it,"
        " and what it finished is kept"
    )


def _holder(path: UPath) -> UPath:
    return path.with_name(f"{Path(path.path).name}.holder")
