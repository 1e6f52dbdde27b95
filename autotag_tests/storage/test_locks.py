"""Locks between real processes, and what one is told who comes second."""

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
from autotag.storage.locks import held, is_held, refuse_held

HOLD = """
import sys, time
from upath import UPath
from autotag.storage.locks import held
with held(UPath(sys.argv[1]), "folder birds"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(lock: UPath) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate(timeout=30)


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UPath:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.2)
    return UPath(tmp_path / "results" / ".lock")


def test_a_second_process_is_told_who_holds_what_since_when_and_what_to_do(lock: UPath) -> None:
    with another_process(lock) as process:
        with pytest.raises(InUseError) as raised, held(lock, "folder birds"):
            pytest.fail("two hold one lock")
        told = str(raised.value)
        assert told.startswith(
            f"folder birds is being worked on by process {process.pid} on {socket.gethostname()}"
        )
        assert " since 20" in told
        assert lock.path in told
        assert "wait for it, or end it" in told
        assert isinstance(raised.value, RetryableError)
        assert is_held(lock)
        with pytest.raises(InUseError, match=f"process {process.pid} "):
            refuse_held(lock, "folder birds")
    with held(lock, "folder birds"):
        assert is_held(lock)
    assert not is_held(lock)


def test_a_killed_holder_lets_go(lock: UPath) -> None:
    with another_process(lock) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert not is_held(lock)
        with held(lock, "folder birds"):
            holder = json.loads(lock.with_name(".lock.holder").read_text())
            assert holder["process"] == os.getpid()


def test_who_waits_a_little_gets_the_lock_of_a_short_step(
    lock: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 30.0)
    with another_process(lock) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        with held(lock, "folder birds"):
            pass


def test_an_error_inside_lets_go_and_nothing_but_the_empty_lock_stays(lock: UPath) -> None:
    with pytest.raises(ValueError, match="inside"), held(lock, "folder birds"):
        raise ValueError("inside")
    assert not is_held(lock)
    assert [path.name for path in lock.parent.iterdir()] == [".lock"]


def test_a_lock_that_was_never_taken_is_not_made_by_asking(lock: UPath) -> None:
    assert not is_held(lock)
    refuse_held(lock, "folder birds")
    assert not lock.parent.exists()


def test_a_holder_that_has_not_signed_yet_is_another_process(lock: UPath) -> None:
    with held(lock, "folder birds"):
        lock.with_name(".lock.holder").write_text("{")
        with pytest.raises(InUseError, match="by another process \\("):
            refuse_held(lock, "folder birds")


def test_an_object_store_has_no_locks() -> None:
    lock = UPath("memory://locks/results/.lock")
    with held(lock, "folder birds"), held(lock, "folder birds"):
        assert not is_held(lock)
    assert not lock.exists()


def test_a_place_that_cannot_be_locked_is_named(lock: UPath) -> None:
    lock.mkdir(parents=True)
    with pytest.raises(UnwritableRootError, match="cannot be locked"), held(lock, "folder birds"):
        pytest.fail("a directory was locked")
