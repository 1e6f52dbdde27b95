"""Fingerprints: short hashes of inputs and settings that say whether a result is still the right one."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from upath import UPath

from autotag.errors import MissingInputError
from autotag.storage.layout import Layout


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
    """`file_version` of all files directly in a directory, by name, from one listing; none where there is no directory.

    A link is the file it leads to, or nothing where that is gone.
    """
    try:
        found = directory.fs.ls(directory.path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    versions: dict[str, str] = {}
    for listed in found:
        # A listing tells of a link itself, a look at it of what it leads to.
        info = _look(directory, listed["name"]) if listed.get("islink") else listed
        if info and info["type"] == "file":
            versions[PurePosixPath(listed["name"]).name] = _version(info)
    return versions


def shard_versions(layout: Layout, shards: Collection[str]) -> dict[str, str]:
    """Version of each archive shard: changes when its tar or its tags table does. One without a tar has none.

    Costs two listings; nothing is opened.
    """
    tars, tags = file_versions(layout.source_shards), file_versions(layout.source_tags)
    versions: dict[str, str] = {}
    for shard in shards:
        tar = tars.get(layout.shard(shard).name)
        if tar is not None:
            versions[shard] = fingerprint(tar=tar, tags=tags.get(layout.tags(shard).name, ""))
    return versions


def fingerprint(**facts: Any) -> str:
    """24 hexadecimal characters over the facts, whatever their order."""
    text = json.dumps(facts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _look(directory: UPath, name: str) -> Mapping[str, Any] | None:
    try:
        return directory.fs.info(name)
    except OSError:
        return None


def _version(info: Mapping[str, Any]) -> str:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified")
    return f"{info['size']}-{mark}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
