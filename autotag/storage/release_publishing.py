"""Makes releases and removes old ones; how they lie is told in `releases`.

A release is written aside, checked, and only then pointed to: killed at any moment, CURRENT still names the release
before.
"""

import os
import shutil
import uuid
from pathlib import Path

from upath import UPath

from autotag.errors import CorruptIndexError, MissingInputError, SettingsError, UnwritableRootError
from autotag.storage.releases import (
    CURRENT,
    MARKER,
    current_version,
    forget_listings,
    found_versions,
    is_complete,
    is_version_name,
    list_versions,
    model_root,
)
from autotag.storage.roots import is_local
from autotag.storage.tables import write_text

_INCOMING = ".incoming-"


def publish(directory: Path, reference_root: UPath, model_id: str, version: str) -> UPath:
    """Release the files of a local directory and make the release CURRENT.

    Publishing the same version again is harmless: a complete copy is pointed to, an incomplete one finished.

    Args:
        directory: plain files, `manifest.json` among them; left as it is.
        reference_root: local or object store.
        model_id: name of the model's directory.
        version: from `version_name`.

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
    if not is_version_name(version):
        raise SettingsError(f"{version!r} is no version name; make one with version_name")
    release = model_root(reference_root, model_id) / version
    ordered = [path for path in files if path != marker] + [marker]
    try:
        if not is_complete(release):
            _copy_local(ordered, release) if is_local(release) else _upload(ordered, release)
        _check_arrival(ordered, release)
    except OSError as error:
        raise UnwritableRootError(
            f"{release}: cannot be written ({error.strerror or error}); make it writable or set"
            " paths.reference"
        ) from error
    write_text(release.parent / CURRENT, version + "\n")
    return release


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
    root = model_root(reference_root, model_id)
    complete = list_versions(reference_root, model_id)
    removed = [version for version in complete[:-keep] if version != in_use]
    abandoned = [version for version in found_versions(reference_root, model_id) if version not in complete]
    for version in [*removed, *(name for name in abandoned if name < in_use)]:
        _remove(root / version)
    if is_local(root):
        for leftover in _local(root).glob(f"{_INCOMING}*"):
            if leftover.name.removeprefix(_INCOMING) < in_use:
                shutil.rmtree(leftover)
    return removed


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
    forget_listings(release)
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


def _remove(release: UPath) -> None:
    """The marker first, so that a release is never half there."""
    if is_complete(release):
        (release / MARKER).unlink()
    if is_local(release):
        shutil.rmtree(_local(release))
    else:
        release.fs.rm(release.path, recursive=True)
    forget_listings(release)


def _local(path: UPath) -> Path:
    return Path(path.path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
