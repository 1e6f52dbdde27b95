"""One writer at a time, in this process and, below a local root, on this machine."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from upath import UPath

from autotag.catalog.lance.place import is_local
from autotag.errors import CatalogUnavailableError, UnwritableRootError

PATIENCE_S = 60.0
"""Longer than the largest upsert takes."""

LOCK = ".writing.lock"

WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system without locks answers."""


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
        # Without its fallback, files whose existence is the lock: they outlive a holder that is killed.
        lock = FileLock(self._place, fallback_to_soft=False)
        try:
            lock.acquire(timeout=PATIENCE_S)
        except Timeout:
            raise CatalogUnavailableError(
                f"another process has been writing to the catalog for {PATIENCE_S:.0f} s; try again when it is done"
                f" ({self._place} is its lock)"
            ) from None
        except (OSError, NotImplementedError) as error:  # filelock's two ways to say that there are no locks
            if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
                raise UnwritableRootError(
                    f"{self._place}: cannot be locked ({error.strerror or error}); make the catalog's directory writable,"
                    " or set another [paths] catalog"
                ) from error
            return None
        return lock
