"""Fingerprints: short hashes of inputs and settings that say whether a result is still the right one."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from upath import UPath

from autotag.errors import MissingInputError


def file_version(path: UPath) -> str:
    """Changes when the file does: size and modification time, or an object store's etag.

    Raises:
        MissingInputError: the file is not there.
    """
    try:
        info = path.fs.info(path.path)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is not there") from error
    return _version(info)


def file_versions(directory: UPath) -> dict[str, str]:
    """`file_version` of all files directly in a directory, by name, from one listing; none where there is no directory."""
    try:
        found = directory.fs.ls(directory.path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {PurePosixPath(info["name"]).name: _version(info) for info in found if info["type"] == "file"}


def fingerprint(**facts: Any) -> str:
    """24 hexadecimal characters over the facts, whatever their order."""
    text = json.dumps(facts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _version(info: Mapping[str, Any]) -> str:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified")
    return f"{info['size']}-{mark}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
