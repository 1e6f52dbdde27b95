"""What is computed from weight files once and kept: converted networks and matrices, one `.npz` a file.

A file is named by what it was made from, is written as a whole or not at all, and carries a checksum (that of the zip format):
a damaged one is made again. The directory may be missing, read only or shared by many workers.
"""

import contextlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from filelock import FileLock

Arrays = dict[str, npt.NDArray[np.generic]]
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, struct.error, zlib.error)
_PATIENCE_S = 300.0
"""The slowest of these files takes 10 s on an idle core; after this long the other maker is taken for stuck."""


def derived_arrays(cache_dir: Path | None, name: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays kept under `name`, made by `make` where there are none that can be read.

    Args:
        cache_dir: directory of kept files; None makes the arrays every time.
        name: file name without suffix: the part, the hash of its weights, the versions of all that shaped it.
        make: computes the arrays; slow.
    """
    if cache_dir is None:
        return make()
    path = Path(cache_dir) / "starter" / f"{name}.npz"
    with contextlib.suppress(*_UNREADABLE):
        return _read(path)
    with _only_maker(path):
        with contextlib.suppress(*_UNREADABLE):
            return _read(path)
        arrays = make()
        # A full or read-only disk costs the next process the same work again, nothing else.
        with contextlib.suppress(OSError):
            _write(path, arrays)
    return arrays


@contextlib.contextmanager
def _only_maker(path: Path) -> Iterator[None]:
    """Lets one process of many work while the others wait for its file; where that cannot be arranged, each works."""
    # Without its fallback, files whose existence is the lock: they outlive a maker that is killed.
    lock = FileLock(path.with_suffix(".lock"), fallback_to_soft=False)
    # No locks on this file system (filelock's two ways to say so), a directory that is read only, or patience at its end.
    with contextlib.suppress(OSError, NotImplementedError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> Arrays:
    # Each part is read as a whole, which compares its checksum, before anything in it is believed.
    with zipfile.ZipFile(path) as kept:
        parts = {Path(part).stem: io.BytesIO(kept.read(part)) for part in kept.namelist()}
    return {key: np.lib.format.read_array(part, allow_pickle=False) for key, part in parts.items()}


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.{uuid4().hex}.partial")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType] - the stub takes the keys for its flags
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
