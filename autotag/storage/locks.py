"""Locks on what one process may work on at a time: a folder's results, a shard's tables, a model's releases.

The operating system holds them, so a holder that is killed lets go. An object store has none, and nor have some network
file systems: there, only Dagster's pools keep two runs apart.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from filelock import FileLock
from upath import UPath

from autotag.errors import InUseError, UnwritableRootError
from autotag.file_locks import NoLocksError, take
from autotag.storage.layout import Layout
from autotag.storage.removal import remove_file
from autotag.storage.roots import is_local, make_directory
from autotag.storage.tables import write_text

PATIENCE_S = 3.0
"""Long enough for another run's short step, and for a killed worker to end; nobody waits longer for a sentence."""

LOOK_S = 0.05
"""Longer than another process holds a lock that it only looks at."""

_REMEDY = "make it writable or set another root under [paths]"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lock:
    """What is locked.

    Attributes:
        path: of the lock file; who holds it is told in a file beside it.
        what: its name in messages: "folder birds".
    """

    path: UPath
    what: str


def folder_lock(layout: Layout, key: str) -> Lock:
    """Of a target folder's results."""
    return Lock(layout.folder_tables(key).lock, f"folder {key}")


def shard_lock(layout: Layout, model_id: str, shard: str) -> Lock:
    """Of a shard's tables."""
    return Lock(layout.source(model_id).lock(shard), f"shard {shard}")


def index_lock(layout: Layout, model_id: str) -> Lock:
    """Of a model's reference index."""
    return Lock(layout.index_lock(model_id), f"the reference index of {model_id}")


def thresholds_lock(layout: Layout, model_id: str) -> Lock:
    """Of a model's fitted thresholds, of any precision."""
    return Lock(layout.thresholds_lock(model_id), f"the fit of the thresholds of {model_id}")


def medoids_lock(layout: Layout) -> Lock:
    """Of the CSV of all folders' medoids."""
    return Lock(layout.medoids_lock, layout.medoids.name)


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Hold a lock inside the block, waiting `PATIENCE_S` for it; the lock file stays.

    Nothing is held on an object store, and where the file system has no locks, which is logged once a process.

    Raises:
        InUseError: another process holds it; the message says who, since when, and what to do.
        UnwritableRootError: the file system refuses.
    """
    taken = _take(lock) if is_local(lock.path) else None
    if taken is None:
        yield
        return
    try:
        _sign(lock.path)
        yield
    finally:
        # Who held it is only told to people: what they are told must not keep the lock, or hide an error.
        with suppress(OSError):
            remove_file(_holder(lock.path))
        taken.release()


def is_held(lock: Lock) -> bool:
    """Whether another holds the lock now; never on an object store.

    A lock that cannot be looked at, such as another account's, counts as free: who takes it is told why not.
    """
    if not is_local(lock.path):
        return False
    try:
        if lock.path.exists():
            take(_local(lock), 0, _REMEDY).release()
    except TimeoutError:
        return True
    except (OSError, NoLocksError, UnwritableRootError):
        return False
    return False


def refuse_held(lock: Lock) -> None:
    """Nothing, where nobody holds the lock.

    Raises:
        InUseError: another process holds it.
    """
    if is_held(lock):
        time.sleep(LOOK_S)  # another one that looks holds it for a moment, too
        if is_held(lock):
            raise InUseError(_told(lock))


def _take(lock: Lock) -> FileLock | None:
    """The lock, taken; None where the file system has none."""
    make_directory(lock.path.parent)
    try:
        return take(_local(lock), PATIENCE_S, _REMEDY)
    except TimeoutError as error:
        raise InUseError(_told(lock)) from error
    except NoLocksError as error:
        _tell_once(str(error))
        return None


def _local(lock: Lock) -> Path:
    return Path(lock.path.path)


@cache
def _tell_once(error: str) -> None:
    _log.warning(
        "The file system of the data has no locks (%s): work goes on without, and only Dagster's pools keep runs apart;"
        " start no command beside a run that works on the same folder, shard or index",
        error,
    )


def _sign(path: UPath) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    write_text(_holder(path), json.dumps(facts), durable=False)


def _told(lock: Lock) -> str:
    who, since = "another process", ""
    # It may let go, or be about to sign, just now.
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads(_holder(lock.path).read_text(encoding="utf-8"))
        who, since = f"process {facts['process']} on {facts['host']}", f" since {facts['since']}"
    return (
        f"{lock.what} is being worked on by {who}{since} ({lock.path}); wait for it, or end it: its lock ends with it,"
        " and what it finished is kept"
    )


def _holder(path: UPath) -> UPath:
    return path.with_name(f"{Path(path.path).name}.holder")
