"""One writer at a time, in this process and, below a local root, on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from upath import UPath

from autotag.catalog.lance.place import is_local
from autotag.errors import CatalogUnavailableError
from autotag.file_locks import NoLocksError, take

PATIENCE_S = 60.0
"""Longer than the largest upsert takes."""

LOCK = ".writing.lock"

_REMEDY = "make the catalog's directory writable, or set another [paths] catalog"


class WriteLock:
    """Held while what is there is read and written anew. The operating system lets go of it for a writer that is killed."""

    def __init__(self, root: UPath) -> None:
        """`root` is the catalog's directory."""
        self._threads = threading.Lock()
        self._place = Path(root.path) / LOCK if is_local(root) else None

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Waits for the others; gives whether nobody else can be writing, which an object store cannot promise.

        Raises:
            CatalogUnavailableError: another writer did not end.
            UnwritableRootError: the file system refuses.
        """
        with self._threads:
            lock = self._taken()
            try:
                yield lock is not None
            finally:
                if lock is not None:
                    lock.release()

    def _taken(self) -> FileLock | None:
        """The lock between processes; None where there is none to be had."""
        if self._place is None or not self._place.parent.exists():
            return None  # a lock must not make a directory that is gone
        try:
            return take(self._place, PATIENCE_S, _REMEDY)
        except TimeoutError:
            raise CatalogUnavailableError(
                f"another process has been writing to the catalog for {PATIENCE_S:.0f} s; try again when it is done"
                f" ({self._place} is its lock)"
            ) from None
        except NoLocksError:
            return None
