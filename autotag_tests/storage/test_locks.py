"""Locks between real processes, and what one is told who comes second."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import InUseError, RetryableError, UnwritableRootError
from autotag.storage import locks
from autotag.storage.locks import Lock, held, is_held, refuse_held

HOLD = """
import sys, time
from upath import UPath
from autotag.storage.locks import Lock, held
with held(Lock(UPath(sys.argv[1]), "folder birds")):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(path: UPath) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate(timeout=30)


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.2)
    return Lock(UPath(tmp_path / "results" / ".lock"), "folder birds")


def test_a_second_process_is_told_who_holds_what_since_when_and_what_to_do(lock: Lock) -> None:
    with another_process(lock.path) as process:
        with pytest.raises(InUseError) as raised, held(lock):
            pytest.fail("two hold one lock")
        told = str(raised.value)
        assert told.startswith(
            f"folder birds is being worked on by process {process.pid} on {socket.gethostname()}"
        )
        assert " since 20" in told
        assert lock.path.path in told
        assert "wait for it, or end it" in told
        assert isinstance(raised.value, RetryableError)
        assert is_held(lock)
        with pytest.raises(InUseError, match=f"process {process.pid} "):
            refuse_held(lock)
    with held(lock):
        assert is_held(lock)
    assert not is_held(lock)


def test_a_killed_holder_lets_go(lock: Lock) -> None:
    with another_process(lock.path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert not is_held(lock)
        with held(lock):
            holder = json.loads(lock.path.with_name(".lock.holder").read_text())
            assert holder["process"] == os.getpid()


def test_who_waits_a_little_gets_the_lock_of_a_short_step(
    lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 30.0)
    with another_process(lock.path) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        with held(lock):
            pass


def test_an_error_inside_lets_go_and_nothing_but_the_empty_lock_stays(lock: Lock) -> None:
    with pytest.raises(ValueError, match="inside"), held(lock):
        raise ValueError("inside")
    assert not is_held(lock)
    assert [path.name for path in lock.path.parent.iterdir()] == [".lock"]


def test_a_lock_that_was_never_taken_is_not_made_by_asking(lock: Lock) -> None:
    assert not is_held(lock)
    refuse_held(lock)
    assert not lock.path.parent.exists()


def test_a_holder_that_has_not_signed_yet_is_another_process(lock: Lock) -> None:
    with held(lock):
        lock.path.with_name(".lock.holder").write_text("{")
        with pytest.raises(InUseError, match="by another process \\("):
            refuse_held(lock)


def test_an_object_store_has_no_locks() -> None:
    lock = Lock(UPath("memory://locks/results/.lock"), "folder birds")
    with held(lock), held(lock):
        assert not is_held(lock)
    assert not lock.path.exists()


def test_a_place_that_cannot_be_locked_is_named(lock: Lock) -> None:
    lock.path.mkdir(parents=True)
    with pytest.raises(UnwritableRootError, match="cannot be locked"), held(lock):
        pytest.fail("a directory was locked")


def test_a_lock_that_cannot_be_looked_at_counts_as_free(lock: Lock) -> None:
    lock.path.mkdir(parents=True)
    assert not is_held(lock)
    refuse_held(lock)


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_worked_on_without_and_that_is_said_once(
    lock: Lock, answer: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)
    locks._tell_once.cache_clear()
    with held(lock), held(lock):
        assert not is_held(lock)
        with pytest.raises(ValueError, match="inside"), held(lock):
            raise ValueError("inside")
    (told,) = caplog.messages
    assert f"has no locks ([Errno {answer}]" in told
    assert "only Dagster's pools" in told


def test_a_holders_note_that_cannot_be_removed_keeps_neither_the_lock_nor_the_error(
    lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: UPath) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path.path)

    monkeypatch.setattr(locks, "remove_file", refuse)
    with pytest.raises(ValueError, match="inside"), held(lock):
        raise ValueError("inside")
    assert not is_held(lock)
