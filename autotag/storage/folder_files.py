"""The files of a target folder: listed, signed and read; never changed."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from upath import UPath

from autotag.domain.identity import media_id
from autotag.errors import MissingInputError, RejectedImageError, RetryableError
from autotag.storage.fingerprints import fingerprint
from autotag.storage.roots import is_local

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
)
"""A file named like this is an image that may be rejected; any other is looked into and ignored when it is none."""

SIDECAR_SUFFIX = ".xmp"

_SPELLED_OUT = re.compile(r"\\x([89a-f][0-9a-f])")
_LONE_BYTE = 0xDC00
"""Python shows the byte 0xE9, where it is no UTF-8, as the code point 0xDCE9."""


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of a folder, unread.

    Attributes:
        name: file name inside the folder.
        size_bytes: its size.
        mtime_ns: its modification time, nanoseconds; 0 where the store has none.
    """

    name: str
    size_bytes: int
    mtime_ns: int


def list_files(folder: UPath) -> list[FolderFile]:
    """Regular files directly in the folder, by name; hidden ones, links, subfolders and XMP sidecars left out.

    A sidecar that is written makes no new state of the folder's images.

    Raises:
        MissingInputError: the folder is not there, or may not be read.
    """
    try:
        found = list(_local_files(folder) if is_local(folder) else _store_files(folder))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingInputError(f"{folder} is not there; it may have been moved or deleted") from error
    except PermissionError as error:
        raise MissingInputError(f"{folder} may not be read; give this user leave to read it") from error
    kept = (file for file in found if not file.name.casefold().endswith(SIDECAR_SUFFIX))
    return sorted(kept, key=lambda file: file.name)


def folder_signature(files: list[FolderFile]) -> str:
    """Changes when a file is added, removed, resized or rewritten."""
    return fingerprint(files=[[file.name, file.size_bytes, file.mtime_ns] for file in files])


def read_file(folder: UPath, name: str, media: str = "") -> bytes:
    """The bytes of one file of a folder.

    Args:
        folder: where it lies.
        name: of the file.
        media: its media id in the manifest; empty where there is none yet.

    Raises:
        RejectedImageError: it may not be read, is gone, or is not the file of the manifest any more.
        MissingInputError: the whole folder is gone.
        RetryableError: the storage failed.
    """
    try:
        data = (folder / name).read_bytes()
    except PermissionError as error:  # of its folder too, about which nothing more can be asked then
        raise RejectedImageError("read", error.strerror or str(error)) from error
    except OSError as error:
        if not folder.exists():
            raise MissingInputError(f"{folder} was removed while it was being processed") from error
        told = error.strerror or str(error)
        if isinstance(error, FileNotFoundError | IsADirectoryError):
            raise RejectedImageError("read", told) from error
        raise RetryableError(f"{folder / name}: reading failed ({told}); run the step again") from error
    if media and media_id(data) != media:
        raise RejectedImageError("read", "the file was changed while the folder was being processed")
    return data


def printable(name: str) -> str:
    """The name; bytes in it that are no UTF-8 are spelled out, so that it can be stored."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unprinted(text: str) -> str:
    r"""What `printable` made the text from, if all `\xNN` in it stand for bytes that are no UTF-8, as in most names they do."""
    return _SPELLED_OUT.sub(lambda match: chr(_LONE_BYTE + int(match[1], 16)), text)


def _local_files(folder: UPath) -> Iterator[FolderFile]:
    with os.scandir(str(folder)) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # gone since it was listed
                continue
            yield FolderFile(entry.name, info.st_size, info.st_mtime_ns)


def _store_files(folder: UPath) -> Iterator[FolderFile]:
    """Empty objects too, but for the folder's own marker, whose name ends with a slash."""
    for info in folder.fs.ls(folder.path, detail=True):
        name = PurePosixPath(info["name"]).name
        is_marker = info["name"].endswith("/") or info["name"] == folder.path.rstrip("/")
        if info["type"] != "file" or name.startswith(".") or is_marker:
            continue
        changed = info.get("LastModified")
        stamp = changed if isinstance(changed, datetime) else None
        yield FolderFile(name, info["size"], int(stamp.timestamp() * 1e9) if stamp else 0)
