"""Weight files: where they are looked for, what they hash to, and the fingerprint made of that. Nothing here downloads."""

import contextlib
import hashlib
import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path

from autotag.errors import MissingWeightsError
from autotag.models.specs import ModelSpec

_HASH_CHUNK_BYTES = 1 << 22
_SHOWN_HASH_DIGITS = 8
_SHA256 = re.compile(r"[0-9a-f]{64}")


def weights_place(spec: ModelSpec, reference: str) -> Path | None:
    """The path that `reference` stands for, whether or not a file is there.

    An absolute path is itself, `~` expanded. A relative one starts from `spec.weights_dir`, never from the working
    directory, where a file of that name may lie by chance; without a `weights_dir` it stands for nothing.
    """
    given = Path(reference).expanduser()
    if given.is_absolute():
        return given
    return Path(spec.weights_dir).absolute() / given if reference and spec.weights_dir is not None else None


def find_weights(spec: ModelSpec, reference: str, remedy: str) -> Path:
    """The weight file that `reference` names; see `weights_place`.

    Args:
        spec: whose `weights_dir` is looked in.
        reference: an absolute path, or one below `weights_dir`; `~` allowed.
        remedy: how a person gets the file, e.g. "download it from ... and set paths.weights".

    Raises:
        MissingWeightsError: no such file.
    """
    place = weights_place(spec, reference)
    if place is not None and place.is_file():
        return place.resolve()
    what = f"the weight file {reference!r} of model {spec.name!r}"
    if place is None:
        raise MissingWeightsError(what, "no place: only paths.weights makes a relative path whole", remedy)
    rule = "" if Path(reference).expanduser().is_absolute() else " (relative paths start from paths.weights)"
    raise MissingWeightsError(what, f"{place}{rule}", remedy)


def weights_sha256(path: Path, cache_dir: Path | None) -> str:
    """SHA-256 of a weight file as 64 hex digits, remembered by path, size and modification time.

    A cache entry that cannot be read or written costs one more hashing, nothing else.
    """
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    if cache_dir is None:
        return _sha256(str(path), key)
    entry = _entry(cache_dir, "weight_hashes", key)
    remembered = _read(entry)
    if _SHA256.fullmatch(remembered):
        return remembered
    digest = _sha256(str(path), key)
    _write(entry, digest)
    return digest


def remember_location(cache_dir: Path | None, name: str, path: Path) -> None:
    """Note where the weights of a hub name lie, so that the next fingerprint needs no hub client."""
    if cache_dir is not None:
        _write(_entry(cache_dir, "weight_locations", name), str(path))


def remembered_location(cache_dir: Path | None, name: str) -> Path | None:
    """Where `remember_location` last saw the weights of `name`, if the file is still there."""
    if cache_dir is None:
        return None
    noted = _read(_entry(cache_dir, "weight_locations", name))
    return Path(noted) if noted and Path(noted).is_file() else None


def make_fingerprint(name: str, digest: str, preprocessing_version: int) -> str:
    """`<name>-<first 8 digits of digest>-p<version>` with everything unsafe in a file name replaced by `_`."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "model"
    return f"{safe}-{digest[:_SHOWN_HASH_DIGITS]}-p{preprocessing_version}"


@lru_cache(maxsize=64)
def _sha256(path: str, key: str) -> str:  # noqa: ARG001 - the key makes a changed file a new cache line
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _entry(cache_dir: Path, kind: str, key: str) -> Path:
    return Path(cache_dir) / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.txt"


def _read(entry: Path) -> str:
    try:
        return entry.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(entry: Path, text: str) -> None:
    # Many workers may note the same file at once, and the directory may be read only: replace whole files, or give up.
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=entry.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(entry)
