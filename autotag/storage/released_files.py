"""The files of a release on local disk, checked: fetched where they lie elsewhere, hashed again only where they changed.

A receipt remembers the hash of a file together with its size, times and inode, so that the next process need not read
gigabytes to learn what the last one found. A file that is written, replaced or touched differs in one of these. Bits
that rot in place do not show in them: those are found by whoever hashes without receipts.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from upath import UPath

from autotag.errors import CorruptIndexError, MissingInputError, UnwritableRootError
from autotag.storage.roots import is_local, make_directory
from autotag.storage.tables import write_text

RECEIPTS = ".receipts"

_QUIET_NS = 2_000_000_000
"""A file must have been left alone for so long: a write right after the last would not show in coarse times."""

_Mark = dict[str, int]


class FileHashes:
    """SHA-256 of local files; one that has not changed is read once.

    Where the directory refuses receipts, each process hashes for itself.
    """

    def __init__(self, receipts: Path | None) -> None:
        """`receipts`: local directory, made when needed; None to trust nothing found before."""
        self._receipts = receipts
        self._known: dict[Path, tuple[_Mark, str]] = {}

    def sha256(self, path: Path) -> str:
        """Hexadecimal SHA-256 of a file's bytes.

        Raises:
            FileNotFoundError: it is not there.
        """
        mark = _mark(path)
        known = self._known.get(path) or self._receipt(path)
        if known is not None and known[0] == mark:
            return known[1]
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if _mark(path) == mark:
            self._remember(path, mark, sha256)
        return sha256

    def _remember(self, path: Path, mark: _Mark, sha256: str) -> None:
        if time.time_ns() - max(mark["mtime_ns"], mark["ctime_ns"]) < _QUIET_NS:
            return
        self._known[path] = mark, sha256
        if self._receipts is None:
            return
        text = json.dumps({"mark": mark, "sha256": sha256})
        try:
            write_text(UPath(self._receipt_of(path, self._receipts)), text, durable=False)
        except UnwritableRootError:
            self._receipts = None

    def _receipt(self, path: Path) -> tuple[_Mark, str] | None:
        if self._receipts is None:
            return None
        try:
            record = json.loads(self._receipt_of(path, self._receipts).read_bytes())
            return record["mark"], str(record["sha256"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @staticmethod
    def _receipt_of(path: Path, receipts: Path) -> Path:
        return (
            receipts
            / f"{hashlib.sha256(str(path.absolute()).encode(errors='surrogateescape')).hexdigest()[:32]}.json"
        )


def fetch(release: UPath, cache_directory: Path, sha256_of: Mapping[str, str], hashes: FileHashes) -> Path:
    """A local directory with the release's named files, each checked.

    A local release stays where it is. One in an object store is copied below `cache_directory`; files that are there
    with the right hash are not copied again.

    Args:
        release: from `releases.current`.
        cache_directory: local; made when missing.
        sha256_of: file name -> hexadecimal SHA-256, from the release's manifest.
        hashes: that say what the local files are.

    Raises:
        MissingInputError: a named file is not in the release.
        CorruptIndexError: a file has another hash.
    """
    if is_local(release):
        directory = Path(release.path)
        for name, sha256 in sha256_of.items():
            if not (directory / name).is_file():
                raise MissingInputError(f"{directory / name} is not there; run `autotag build-index`")
            _check(directory / name, sha256, hashes)
        return directory
    directory = cache_directory / release.parent.name / release.name
    make_directory(UPath(directory))
    for name, sha256 in sha256_of.items():
        local = directory / name
        if not (local.is_file() and hashes.sha256(local) == sha256):
            _download(release / name, local)
            _check(local, sha256, hashes)
    return directory


def _check(path: Path, sha256: str, hashes: FileHashes) -> None:
    if hashes.sha256(path) != sha256:
        raise CorruptIndexError(
            f"{path} is not the file that was released (its SHA-256 differs); run `autotag build-index`"
        )


def _download(remote: UPath, local: Path) -> None:
    temporary = local.with_name(f".{local.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        remote.fs.get_file(remote.path, str(temporary))
        temporary.replace(local)
    except FileNotFoundError as error:
        raise MissingInputError(f"{remote} is not there; run `autotag build-index`") from error
    finally:
        temporary.unlink(missing_ok=True)


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return {
        "size_bytes": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "inode": found.st_ino,
    }
