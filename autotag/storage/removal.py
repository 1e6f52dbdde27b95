"""Deletes what autotag itself has written, by exact name: names hold `*` and `[` like any other character."""

import os
import re
import shutil
import socket
from collections.abc import Collection
from pathlib import Path

from upath import UPath

from autotag.storage.roots import is_local

_SUFFIX = ".tmp"

CLOCK_SLACK_S = 5.0
"""Between the clock that processes are dated by and the one of files."""


def remove_file(path: UPath) -> None:
    """Delete a file; nothing happens when there is none."""
    try:
        if is_local(path):
            Path(path.path).unlink(missing_ok=True)
        elif path.fs.exists(path.path):
            path.fs.rm_file(path.path)  # fs.rm would take the name for a pattern
    except FileNotFoundError:
        return


def remove_tree(path: UPath) -> None:
    """Delete a directory with all that is in it; nothing happens when there is none."""
    if not is_local(path):
        for name in path.fs.find(path.path):
            path.fs.rm_file(name)
    elif Path(path.path).is_dir():
        shutil.rmtree(path.path)


def keep_only(directory: UPath, names: Collection[str]) -> None:
    """Delete every file below a directory but these, given relative to it, and folders that are left empty."""
    if not is_local(directory):
        base = directory.path.rstrip("/") + "/"
        for path in directory.fs.find(directory.path):
            if path.removeprefix(base) not in names:
                directory.fs.rm_file(path)
        return
    root = Path(directory.path)
    for folder, _, files in os.walk(root, topdown=False):
        for file in files:
            path = Path(folder) / file
            if path.relative_to(root).as_posix() not in names:
                path.unlink()
        if not any(os.scandir(folder)):
            Path(folder).rmdir()


def names_there(directory: UPath, names: Collection[str]) -> set[str]:
    """Which of these files are directly in a directory: one look each here, one listing on an object store.

    A file without content is not there: it has lost it, as one that was never flushed to the disk does in a power cut.
    """
    if is_local(directory):
        return {name for name in names if _has_content(f"{directory.path}/{name}")}
    try:
        listed = directory.fs.ls(directory.path, detail=True)
    except FileNotFoundError:
        return set()
    return {info["name"].rpartition("/")[2] for info in listed if info["size"]} & set(names)


def _has_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0  # noqa: PTH116 - a tenth of Path's time
    except OSError:
        return False


def temporary_name(name: str, unique: str) -> str:
    """Hidden name of a file that becomes `name` once it is whole; tells which process writes it."""
    return f"{_prefix(name)}{socket.gethostname()}.{os.getpid()}.{unique}{_SUFFIX}"


def remove_stale_temporaries(path: Path) -> None:
    """Delete temporaries of this file whose writers, processes of this machine, are gone: they were killed."""
    try:
        found = [entry.name for entry in os.scandir(path.parent) if entry.name.startswith(_prefix(path.name))]
    except FileNotFoundError:
        return
    mine = re.compile(
        re.escape(_prefix(path.name) + socket.gethostname()) + rf"\.(\d{{1,9}})\.\w+{re.escape(_SUFFIX)}"
    )
    for name in found:
        match = mine.fullmatch(name)
        if match and not is_writing(int(match[1]), path.parent / name):
            (path.parent / name).unlink(missing_ok=True)


def _prefix(name: str) -> str:
    return f".{name[:40]}."


def is_writing(process: int, temporary: Path) -> bool:
    """Whether the maker of a temporary file or directory is still there: not a corpse that nobody has collected, nor a later process of that number."""
    import psutil

    try:
        found = psutil.Process(process)
        began_s, changed_s = found.create_time(), temporary.stat().st_mtime
        return found.status() != psutil.STATUS_ZOMBIE and began_s <= changed_s + CLOCK_SLACK_S
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True
