"""Directories of this machine for files that are only needed for a while."""

import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotag.storage.removal import is_writing


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A local directory that is gone afterwards. What killed processes of this user left in theirs goes now: it may be gigabytes."""
    _remove_stale()
    with tempfile.TemporaryDirectory(prefix=f"{_prefix()}{os.getpid()}.") as directory:
        yield Path(directory)


def _prefix() -> str:
    return f"autotag-{socket.gethostname()}."


def _remove_stale() -> None:
    ours = re.compile(re.escape(_prefix()) + r"(\d{1,9})\.\w+")
    try:
        entries = [*os.scandir(tempfile.gettempdir())]
    except PermissionError:  # a place where one may make files and not look for others'
        return
    for entry in entries:
        match = ours.fullmatch(entry.name)
        if match and _is_mine(Path(entry.path)) and not is_writing(int(match[1]), Path(entry.path)):
            shutil.rmtree(entry.path, ignore_errors=True)


def _is_mine(directory: Path) -> bool:
    """Of this user; others may put what they like beside it."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
