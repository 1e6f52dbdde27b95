"""Small files that the first of several processes writes and all of them read: the settings of a run."""

import os
import uuid
from pathlib import Path

from upath import UPath

from autotag.storage.removal import temporary_name
from autotag.storage.roots import is_local, make_directory, told_if_unwritable

OWNER_ONLY = 0o600


def write_once(path: UPath, text: str) -> str:
    """Write a file unless it is there, and return what it then holds; never seen half written.

    On a local disk only its owner may read it: settings may hold the password of a database.

    Where a file system knows neither links nor conditional writes, two processes that start in the same
    moment may both write, and the later one stays.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    with told_if_unwritable(path):
        if not path.exists():
            write = _write_local if is_local(path) else _write_remote
            write(path, text.encode("utf-8"))
        return path.read_text(encoding="utf-8")


def _write_local(path: UPath, data: bytes) -> None:
    make_directory(path.parent)
    place = Path(path.path)
    temporary = place.parent / temporary_name(place.name, uuid.uuid4().hex[:12])
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _link(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, place: Path) -> None:
    """Give the file its name, if that is free."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        return
    except OSError:
        temporary.replace(place)  # a file system without links


def _write_remote(path: UPath, data: bytes) -> None:
    try:
        path.fs.pipe_file(path.path, data, mode="create")
    except FileExistsError:
        return
    except NotImplementedError:
        path.fs.pipe_file(path.path, data)  # a store without conditional writes
