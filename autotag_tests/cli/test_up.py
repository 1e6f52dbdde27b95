"""How `autotag up` ends what it has started."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from autotag.cli import up

FAMILY = """
import os, signal, sys, time
from pathlib import Path
note, leader_stays, child_ends = Path(sys.argv[1]), sys.argv[2] == "stays", sys.argv[3] == "ends"
child = os.fork()
if child:
    while not note.exists():
        time.sleep(0.01)
    time.sleep(60 if leader_stays else 0)
    os._exit(5)
def end(*_):
    time.sleep(0.6)
    if child_ends:
        note.write_text(note.read_text() + " in peace")
        os._exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
started = note.with_suffix(".started")
started.write_text(str(os.getpid()))
started.rename(note)
while True:
    time.sleep(60)
"""
"""A leader that ends at once, when asked or by itself, and a child that takes longer, or never does."""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "END_S", 0.2)


def run_family(tmp_path: Path, leader: str, child: str) -> tuple[int, list[str]]:
    """Exit code, and the child's note: its number, and that it ended in its own time."""
    note = tmp_path / "child"

    def interrupt() -> None:
        while not note.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    if leader == "stays":
        threading.Thread(target=interrupt, daemon=True).start()
    command = [sys.executable, "-c", FAMILY, str(note), leader, child]
    code = up._run_group(command, tmp_path / "up.log", lambda: True)
    return code, note.read_text().split(maxsplit=1)


def is_gone(process: str) -> bool:
    try:
        return psutil.Process(int(process)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("leader", "code"), [("stays", 0), ("ends", 5)])
def test_the_whole_group_is_waited_for_after_its_leader_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leader: str, code: int
) -> None:
    monkeypatch.setattr(up, "GRACE_S", 3.0)
    ended, (process, *told) = run_family(tmp_path, leader, "ends")
    assert (ended, told) == (code, ["in peace"])
    assert is_gone(process)


def test_what_does_not_end_in_its_grace_time_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "GRACE_S", 0.5)
    ended, (process, *told) = run_family(tmp_path, "stays", "never ends")
    assert (ended, told) == (0, [])
    assert is_gone(process)
