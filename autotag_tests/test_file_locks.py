"""A lock of a file: taken, held by another, not to be had, refused."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from filelock import FileLock

from autotag.errors import UnwritableRootError
from autotag.file_locks import WITHOUT_LOCKS, NoLocksError, take

REMEDY = "set another root"


def answering(monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    """A file system that answers so to whoever locks."""

    def flock(*_: object) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_one_that_is_taken_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    lock = take(tmp_path / "a.lock", 0, REMEDY)
    with pytest.raises(TimeoutError):
        take(tmp_path / "a.lock", 0.05, REMEDY)
    lock.release()
    take(tmp_path / "a.lock", 0, REMEDY).release()
    assert [each.name for each in tmp_path.iterdir()] == ["a.lock"]


@pytest.mark.parametrize("answer", sorted(WITHOUT_LOCKS))
def test_a_file_system_without_locks_says_so_and_no_file_stands_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    with monkeypatch.context() as patched:
        answering(patched, answer)
        with pytest.raises(NoLocksError, match=os.strerror(answer)):
            take(tmp_path / "a.lock", 0, REMEDY)
    take(tmp_path / "a.lock", 0, REMEDY).release()


def test_so_does_one_whose_locks_python_was_made_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire(self: FileLock, timeout: float) -> None:
        raise NotImplementedError("no flock")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.raises(NoLocksError, match="no flock"):
        take(tmp_path / "a.lock", 0, REMEDY)


@pytest.mark.parametrize("answer", [errno.EIO, errno.ETIMEDOUT])
def test_one_that_fails_is_named_with_the_remedy_and_is_no_other_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(UnwritableRootError, match=r"a\.lock: cannot be locked .*; set another root"):
        take(tmp_path / "a.lock", 0, REMEDY)
