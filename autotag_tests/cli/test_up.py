"""How `autotag up` ends what it has started. It runs in a process of its own: the signals are for nobody else."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

COMMAND = """
import ctypes, sys
from pathlib import Path
from autotag.cli import up
if sys.platform == "linux":
    # Orphans become its children, which it never collects: as where it is a container's first process.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
up.GRACE_S, up.END_S = float(sys.argv[1]), 0.2
sys.exit(up._run_group(sys.argv[3:], Path(sys.argv[2]), lambda: True))
"""
"""The part of `autotag up` that runs a command: grace time, log, the command's words."""

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


def run_family(tmp_path: Path, leader: str, child: str, grace_s: float) -> tuple[int, list[str]]:
    """Exit code, and the child's note: its number, and that it ended in its own time."""
    note = tmp_path / "child"
    family = [sys.executable, "-c", FAMILY, str(note), leader, child]
    command = [sys.executable, "-c", COMMAND, str(grace_s), str(tmp_path / "up.log"), *family]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not note.exists() and process.poll() is None:
            time.sleep(0.02)
        if leader == "stays":
            process.send_signal(signal.SIGINT)
        code = process.wait(60)
    return code, note.read_text().split(maxsplit=1)


def is_gone(process: str) -> bool:
    try:
        return psutil.Process(int(process)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("leader", "code"), [("stays", 0), ("ends", 5)])
def test_the_whole_group_is_waited_for_after_its_leader_is_gone_and_no_longer(
    tmp_path: Path, leader: str, code: int
) -> None:
    began = time.monotonic()
    ended, (process, *told) = run_family(tmp_path, leader, "ends", grace_s=30.0)
    assert (ended, told) == (code, ["in peace"])
    assert is_gone(process)
    assert time.monotonic() - began < 20


def test_what_does_not_end_in_its_grace_time_is_ended(tmp_path: Path) -> None:
    ended, (process, *told) = run_family(tmp_path, "stays", "never ends", grace_s=0.5)
    assert (ended, told) == (0, [])
    assert is_gone(process)
