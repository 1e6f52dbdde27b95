"""Released versions of a directory of files, and the pointer to the one in use.

    <root>/<model id>/<version>/{files, marker}     complete once the marker is there: it is written last
    <root>/<model id>/CURRENT                       name of the version in use, replaced atomically

What the files hold is not known here; the marker is any file whose presence means "complete".
`release_publishing` makes releases, `released_files` brings their files to this machine.
"""

import re
from datetime import UTC, datetime

from upath import UPath

from autotag.errors import CorruptIndexError, MissingInputError, SettingsError
from autotag.storage.roots import is_local

CURRENT = "CURRENT"
MARKER = "manifest.json"
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


def current_version(reference_root: UPath, model_id: str) -> str | None:
    """The version CURRENT names; None when nothing was released.

    Raises:
        CorruptIndexError: CURRENT holds something else than a version name.
    """
    pointer = model_root(reference_root, model_id) / CURRENT
    forget_listings(pointer)
    try:
        version = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    if not is_version_name(version):
        raise CorruptIndexError(f"{pointer} names no version ({version[:80]!r}); run `autotag build-index`")
    return version


def current(reference_root: UPath, model_id: str) -> UPath:
    """Directory of the release in use.

    Raises:
        MissingInputError: nothing was released for this model id.
        CorruptIndexError: CURRENT names a version that is not there or not complete.
    """
    version = current_version(reference_root, model_id)
    root = model_root(reference_root, model_id)
    if version is None:
        raise MissingInputError(
            f"no reference index of {model_id} in {root}; materialise faiss_index, or run"
            " `autotag build-index`"
        )
    if not is_complete(root / version):
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
    root = model_root(reference_root, model_id)
    return [version for version in found_versions(reference_root, model_id) if is_complete(root / version)]


def is_version_name(text: str) -> bool:
    """Whether `version_name` may have made it."""
    return _VERSION.fullmatch(text) is not None


def model_root(reference_root: UPath, model_id: str) -> UPath:
    """Where the releases of a model id lie.

    Raises:
        SettingsError: a model id that is no directory name.
    """
    if not model_id or model_id.startswith(".") or re.search(r"[/\\\0]", model_id):
        raise SettingsError(
            f"model id {model_id!r} is no directory name; give one without slashes or a leading dot"
        )
    return reference_root / model_id


def found_versions(reference_root: UPath, model_id: str) -> list[str]:
    """Versions of which something is there, complete or not, oldest first."""
    root = model_root(reference_root, model_id)
    forget_listings(root)
    if not root.exists():
        return []
    return sorted(path.name for path in root.iterdir() if is_version_name(path.name))


def is_complete(release: UPath) -> bool:
    """Whether all of a release's files are there."""
    return (release / MARKER).is_file()


def forget_listings(path: UPath) -> None:
    """Object-store file systems remember listings; another process may have written since."""
    if not is_local(path):
        path.fs.invalidate_cache()
