"""Where sidecars lie: a folder, or its shadow. They are read without following links, and replaced whole or not at all."""

import errno
import hashlib
import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upath import UPath

from autotag.errors import MissingInputError, SidecarError
from autotag.storage.removal import remove_file, remove_stale_temporaries, temporary_name
from autotag.storage.roots import is_local

LARGEST_BYTES = 64 * 1024 * 1024
"""Darktable's sidecars with drawn masks reach some megabytes."""

TEMPORARY = "autotag-sidecar"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
WITHOUT_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})
"""What file systems without hard links answer."""


class DiskFullError(SidecarError):
    """No space is left where sidecars lie."""


@dataclass(frozen=True, slots=True)
class FoundSidecar:
    """A sidecar as it lies there.

    Attributes:
        data: its bytes.
        mtime_ns: its modification time; 0 on an object store.
        mode: its permissions; 0 on an object store.
    """

    data: bytes
    mtime_ns: int = 0
    mode: int = 0

    @property
    def sha256(self) -> str:
        """Hash of its bytes."""
        return sha256_of(self.data)


def sha256_of(data: bytes | None) -> str:
    """Hexadecimal SHA-256; empty for what is not there."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


class SidecarPlace:
    """A directory with sidecars."""

    def __init__(self, directory: UPath) -> None:
        self.directory = directory
        self._local = Path(directory.path) if is_local(directory) else None

    def names(self) -> list[str]:
        """Names of everything in the directory, links and directories too; none where there is no such directory.

        Raises:
            MissingInputError: it may not be read.
        """
        try:
            if self._local:
                return [path.name for path in self._local.iterdir()]
            return [
                PurePosixPath(path).name for path in self.directory.fs.ls(self.directory.path, detail=False)
            ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError as error:
            raise MissingInputError(
                f"{self.directory} may not be read; give this user leave to read it"
            ) from error

    def refuses_writes(self) -> bool:
        """Whether this user may not make files here, as far as can be seen without making one; an object store's too."""
        if self._local is None:
            return True
        is_mounted_so = bool(os.statvfs(self._local).f_flag & os.ST_RDONLY)
        return is_mounted_so or not os.access(self._local, os.W_OK | os.X_OK)

    def refuses_a_file(self) -> bool:
        """Whether a file that is made here, and removed at once, is refused: what servers forbid cannot be seen otherwise.

        Raises:
            DiskFullError: there is no space for it.
        """
        if self.refuses_writes() or self._local is None:
            return True
        temporary = self._local / temporary_name(TEMPORARY, uuid.uuid4().hex[:12])
        try:
            temporary.touch(exist_ok=False)
            temporary.unlink()
        except OSError as error:
            if error.errno in FULL:
                raise DiskFullError(f"{self.directory}: no space is left for sidecars; make room") from error
            return True
        return False

    def read(self, name: str) -> FoundSidecar | None:
        """A sidecar; None where there is none.

        Raises:
            SidecarError: it is a link, a directory or another thing, too large, or may not be read; a reason without a path.
        """
        try:
            return self._read_local(self._local / name) if self._local else self._read_remote(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise SidecarError("it is a link; put a file in its place, or take it away") from error
            raise SidecarError(f"it cannot be read ({error.strerror or error})") from error

    def replace(self, name: str, new: FoundSidecar, expected_sha256: str) -> None:
        """Put new bytes in a sidecar's place, at once.

        Args:
            name: of the sidecar.
            new: its bytes; a time of 0 is now, a mode of 0 what the file system gives new files.
            expected_sha256: of the bytes to be replaced; empty where there must be none. Looked at again at the very end.

        Raises:
            SidecarError: the bytes there are others by now, or the file system refuses; nothing has changed then.
            DiskFullError: no space.
        """
        try:
            if self._local:
                self._replace_local(self._local / name, new, expected_sha256)
            else:
                self._refuse_others(name, expected_sha256)
                self.directory.fs.pipe_file((self.directory / name).path, new.data)
        except OSError as error:
            kind = DiskFullError if error.errno in FULL else SidecarError
            raise kind(f"it cannot be written ({error.strerror or error})") from error

    def remove(self, name: str, expected_sha256: str) -> None:
        """Delete a sidecar.

        Raises:
            SidecarError: its bytes are others by now, or the file system refuses.
        """
        self._refuse_others(name, expected_sha256)
        try:
            remove_file(self.directory / name)
        except OSError as error:
            raise SidecarError(f"it cannot be removed ({error.strerror or error})") from error

    def tidy(self) -> None:
        """Delete what a killed run left half-written."""
        if self._local:
            remove_stale_temporaries(self._local / TEMPORARY)

    def sync(self) -> None:
        """Make the names that were replaced outlive a power cut."""
        if self._local and self._local.is_dir():
            handle = os.open(self._local, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            except OSError as error:  # some network file systems have none for directories
                if error.errno not in (errno.EINVAL, *WITHOUT_LINKS):
                    raise
            finally:
                os.close(handle)

    def _read_local(self, path: Path) -> FoundSidecar:
        # Without waiting: a pipe would keep us for ever. A stream is only made of a file: of a directory there can be none.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode):
                kind = "a directory" if stat.S_ISDIR(info.st_mode) else "no regular file"
                raise SidecarError(f"there is {kind} of its name; take it away")
            if info.st_size > LARGEST_BYTES:
                raise SidecarError(f"it is larger than {LARGEST_BYTES // 1024**2} MiB, as no sidecar is")
            with os.fdopen(handle, "rb", closefd=False) as stream:
                return FoundSidecar(stream.read(), info.st_mtime_ns, stat.S_IMODE(info.st_mode))
        finally:
            os.close(handle)

    def _read_remote(self, name: str) -> FoundSidecar:
        data = self.directory.fs.cat_file((self.directory / name).path)
        return FoundSidecar(bytes(data) if not isinstance(data, str) else data.encode())

    def _refuse_others(self, name: str, expected_sha256: str) -> None:
        found = self.read(name)
        if (found.sha256 if found else "") != expected_sha256:
            raise SidecarError(
                "another program has changed it in the meantime; run again to bring both together"
            )

    def _replace_local(self, path: Path, new: FoundSidecar, expected_sha256: str) -> None:
        temporary = path.parent / temporary_name(TEMPORARY, uuid.uuid4().hex[:12])
        try:
            _write_durably(temporary, new)
            self._refuse_others(path.name, expected_sha256)
            if expected_sha256:
                temporary.replace(path)
            else:
                _give_name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _write_durably(path: Path, new: FoundSidecar) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "wb") as stream:
        stream.write(new.data)
        stream.flush()
        if new.mode:
            os.fchmod(stream.fileno(), new.mode)
        if new.mtime_ns:
            os.utime(stream.fileno(), ns=(new.mtime_ns, new.mtime_ns))
        os.fsync(stream.fileno())


def _give_name(temporary: Path, path: Path) -> None:
    """Give a file a name that nothing else may have: a link fails where there is something by now."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError as error:
        raise SidecarError(
            "another program has made it in the meantime; run again to bring both together"
        ) from error
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        temporary.rename(path)
