"""Locks between the processes of a machine. The operating system holds them: a holder that is killed lets go."""

import errno
from pathlib import Path

from filelock import FileLock, Timeout

from autotag.errors import UnwritableRootError

WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system without locks answers."""


class NoLocksError(Exception):
    """The file system has no locks: who asks for one decides whether to work on without."""


def take(path: Path, patience_s: float, remedy: str) -> FileLock:
    """A lock that nobody else holds now; its file stays when it is released.

    Args:
        path: of the lock's file; its directory is there.
        patience_s: longest wait for another holder.
        remedy: what to do where the file system refuses, as the end of a sentence.

    Raises:
        TimeoutError: another holds it still.
        NoLocksError: there are none here.
        UnwritableRootError: the file system refuses.
    """
    # Without its fallback, files whose existence is the lock: they outlive a holder that is killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise
    except NotImplementedError as error:  # filelock's other way to say that there are no locks
        raise NoLocksError(str(error)) from error
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            raise NoLocksError(str(error)) from error
        raise UnwritableRootError(
            f"{path}: cannot be locked ({error.strerror or error}); {remedy}"
        ) from error
    return lock
