"""Released versions of a directory of files, and the pointer to the one in use.

    <root>/<model id>/<version>/{files, marker}     complete once the marker is there: it is written last
    <root>/<model id>/CURRENT                       name of the version in use, replaced atomically

A release is written aside, checked, and only then pointed to: killed at any moment, CURRENT still names the
release before. What the files hold is not known here; the marker is any file whose presence means "complete".
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from autotag.errors import (
    CorruptIndexError,
    MissingInputError,
    SettingsError,
    UnwritableRootError,
)
from autotag.storage.roots import is_local, make_directory
from autotag.storage.tables import write_text

CURRENT = "CURRENT"
MARKER = "manifest.json"
_INCOMING = ".incoming-"
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


def version_name(now: datetime, content_sha256: str) -> str:
    """Name of a release: UTC to the second, then the first 8 digits of a hash; sorts by time.

    Args:
        now: with its time zone.
        content_sha256: hexadecimal, of what tells this release from another of the same second.

    Raises:
        ValueError: a time without a zone.
    """
    if now.tzinfo is None:
        raise ValueError("a release's time needs a time zone")
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{content_sha256[:8].lower()}"


def publish(
    directory: Path,
    reference_root: UPath,
    model_id: str,
    version: str,
    validate: Callable[[UPath], None] | None = None,
) -> UPath:
    """Release the files of a local directory and make the release CURRENT.

    Publishing the same version again is harmless: a complete copy is pointed to, an incomplete one finished.

    Args:
        directory: plain files, `manifest.json` among them; left as it is.
        reference_root: local or object store.
        model_id: name of the model's directory.
        version: from `version_name`.
        validate: called with the finished release before CURRENT moves; raises to keep the old one.

    Returns:
        The release's directory.

    Raises:
        MissingInputError: the directory has no marker.
        CorruptIndexError: a file did not arrive whole, or the version exists with another marker.
        SettingsError: a model id or version that is no directory name.
        UnwritableRootError: the root refuses writes.
    """
    files = sorted(path for path in Path(directory).iterdir() if path.is_file())
    marker = Path(directory) / MARKER
    if marker not in files:
        raise MissingInputError(
            f"{marker} is not there, so {directory} is no finished release; build it again"
        )
    if not _VERSION.fullmatch(version):
        raise SettingsError(f"{version!r} is no version name; make one with version_name")
    release = _model_root(reference_root, model_id) / version
    ordered = [path for path in files if path != marker] + [marker]
    try:
        if not _is_complete(release):
            _copy_local(ordered, release) if is_local(release) else _upload(ordered, release)
        _check_arrival(ordered, release)
        if validate is not None:
            validate(release)
    except OSError as error:
        raise UnwritableRootError(
            f"{release}: cannot be written ({error.strerror or error}); make it writable or set"
            " paths.reference"
        ) from error
    write_text(release.parent / CURRENT, version + "\n")
    return release


def current_version(reference_root: UPath, model_id: str) -> str | None:
    """The version CURRENT names; None when nothing was released.

    Raises:
        CorruptIndexError: CURRENT holds something else than a version name.
    """
    pointer = _model_root(reference_root, model_id) / CURRENT
    _forget_listings(pointer)
    try:
        version = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    if not _VERSION.fullmatch(version):
        raise CorruptIndexError(f"{pointer} names no version ({version[:80]!r}); run `autotag build-index`")
    return version


def current(reference_root: UPath, model_id: str) -> UPath:
    """Directory of the release in use.

    Raises:
        MissingInputError: nothing was released for this model id.
        CorruptIndexError: CURRENT names a version that is not there or not complete.
    """
    version = current_version(reference_root, model_id)
    root = _model_root(reference_root, model_id)
    if version is None:
        raise MissingInputError(
            f"no reference index of {model_id} in {root}; materialise faiss_index, or run"
            " `autotag build-index`"
        )
    if not _is_complete(root / version):
        raise CorruptIndexError(
            f"{root / CURRENT} names {version}, which is not complete; write one of"
            f" {list_versions(reference_root, model_id)} into it, or run `autotag build-index`"
        )
    return root / version


def any_release(reference_root: UPath) -> bool:
    """Whether anything was ever released, of whatever model id."""
    if not reference_root.is_dir():
        return False
    return any((model / CURRENT).is_file() for model in reference_root.iterdir())


def list_versions(reference_root: UPath, model_id: str) -> list[str]:
    """Complete versions, oldest first."""
    root = _model_root(reference_root, model_id)
    return [version for version in _found(reference_root, model_id) if _is_complete(root / version)]


def prune(reference_root: UPath, model_id: str, keep: int) -> list[str]:
    """Remove all but the newest versions; CURRENT stays whatever its age.

    Directories that a killed publish left behind go too once they are older than CURRENT; younger ones may
    still be under way. Nothing is removed before a first release.

    Args:
        reference_root: local or object store.
        model_id: name of the model's directory.
        keep: versions to keep, at least 1.

    Returns:
        Names of the complete versions removed.

    Raises:
        SettingsError: keep is less than 1.
    """
    if keep < 1:
        raise SettingsError(f"index.keep_versions: {keep} would remove every release; set 1 or more")
    in_use = current_version(reference_root, model_id)
    if in_use is None:
        return []
    root = _model_root(reference_root, model_id)
    complete = list_versions(reference_root, model_id)
    removed = [version for version in complete[:-keep] if version != in_use]
    abandoned = [version for version in _found(reference_root, model_id) if version not in complete]
    for version in [*removed, *(name for name in abandoned if name < in_use)]:
        _remove(root / version)
    if is_local(root):
        for leftover in _local(root).glob(f"{_INCOMING}*"):
            if leftover.name.removeprefix(_INCOMING) < in_use:
                shutil.rmtree(leftover)
    return removed


def fetch(release: UPath, cache_directory: Path, sha256_of: Mapping[str, str]) -> Path:
    """A local directory with the release's named files, each checked.

    A local release is returned as it is: whoever opens its files checks them. One in an object store is
    copied below `cache_directory`; files that are there with the right hash are not copied again.

    Args:
        release: from `current`.
        cache_directory: local; made when missing.
        sha256_of: file name -> hexadecimal SHA-256, from the release's manifest.

    Raises:
        MissingInputError: a named file is not in the release.
        CorruptIndexError: a copied file has another hash.
    """
    if is_local(release):
        return _local(release)
    target = cache_directory / release.parent.name / release.name
    make_directory(UPath(target))
    for name, sha256 in sha256_of.items():
        local = target / name
        if not (local.is_file() and _sha256(local) == sha256):
            _download(release / name, local, sha256)
    return target


def _download(remote: UPath, local: Path, sha256: str) -> None:
    temporary = local.with_name(f".{local.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        remote.fs.get_file(remote.path, str(temporary))
        if _sha256(temporary) != sha256:
            raise CorruptIndexError(
                f"{remote} is not the file that was released (SHA-256); run `autotag build-index`"
            )
        temporary.replace(local)
    except FileNotFoundError as error:
        raise MissingInputError(f"{remote} is not there; run `autotag build-index`") from error
    finally:
        temporary.unlink(missing_ok=True)


def _copy_local(files: list[Path], release: UPath) -> None:
    """Hard links where the file system allows, else copies, in a sibling that is renamed when it is whole."""
    incoming = _local(release.parent) / f"{_INCOMING}{release.name}-{uuid.uuid4().hex[:8]}"
    incoming.mkdir(parents=True)
    for path in files:
        try:
            os.link(path, incoming / path.name)
        except OSError:
            shutil.copyfile(path, incoming / path.name)
        _sync(incoming / path.name)
    _sync(incoming)
    if _local(release).exists():  # without its marker: a leftover, or it would not be written again
        shutil.rmtree(_local(release))
    incoming.rename(_local(release))
    _sync(_local(release.parent))


def _upload(files: list[Path], release: UPath) -> None:
    for path in files:
        release.fs.put_file(str(path), (release / path.name).path)


def _check_arrival(files: list[Path], release: UPath) -> None:
    _forget_listings(release)
    for path in files:
        arrived, sent = (release / path.name).stat().st_size, path.stat().st_size
        if arrived != sent:
            raise CorruptIndexError(
                f"{release / path.name} has {arrived} bytes, {sent} were written; publish it again"
            )
    if (release / MARKER).read_bytes() != files[-1].read_bytes():
        raise CorruptIndexError(
            f"{release} was released before with another {MARKER}; publish under a new version"
        )


def _model_root(reference_root: UPath, model_id: str) -> UPath:
    if not model_id or model_id.startswith(".") or re.search(r"[/\\\0]", model_id):
        raise SettingsError(
            f"model id {model_id!r} is no directory name; give one without slashes or a leading dot"
        )
    return reference_root / model_id


def _found(reference_root: UPath, model_id: str) -> list[str]:
    root = _model_root(reference_root, model_id)
    _forget_listings(root)
    if not root.exists():
        return []
    return sorted(path.name for path in root.iterdir() if _VERSION.fullmatch(path.name))


def _local(path: UPath) -> Path:
    return Path(path.path)


def _is_complete(release: UPath) -> bool:
    return (release / MARKER).is_file()


def _remove(release: UPath) -> None:
    """The marker first, so that a release is never half there."""
    if _is_complete(release):
        (release / MARKER).unlink()
    if is_local(release):
        shutil.rmtree(_local(release))
    else:
        release.fs.rm(release.path, recursive=True)
    _forget_listings(release)


def _forget_listings(path: UPath) -> None:
    """Object-store file systems remember listings; another process may have written since."""
    if not is_local(path):
        path.fs.invalidate_cache()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
