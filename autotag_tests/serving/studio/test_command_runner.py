import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WAIT_S = 60.0
RUNNER = "autotag.serving.studio.command_runner"


def started(tmp_path: Path, program: str, *words: str) -> "subprocess.Popen[bytes]":
    """The runner, with a shell script in the place of `autotag`."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    code = (
        f"import sys; from {RUNNER} import main; sys.executable = sys.argv[1]; sys.exit(main(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(fake), str(tmp_path / "exit_code"), "--", *words]
    return subprocess.Popen(command, cwd=tmp_path)


def test_the_exit_code_of_the_command_is_written_and_told(tmp_path: Path):
    runner = started(tmp_path, 'echo "$@" > words; exit 3', "scan", "--folder", "a b")
    assert runner.wait(WAIT_S) == 3
    assert (tmp_path / "exit_code").read_text() == "3"
    assert (tmp_path / "words").read_text() == "-m autotag.cli scan --folder a b\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exit_code", "python", "words"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_handed_on_and_the_command_ends_as_it_likes(tmp_path: Path, number: int):
    name = signal.Signals(number).name.removeprefix("SIG")
    program = f"trap 'exit 5' {name}; : > ready; while :; do sleep 0.1; done"
    runner = started(tmp_path, program, "scan")
    until = time.monotonic() + WAIT_S
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(runner.pid, number)
    assert runner.wait(WAIT_S) == 5
    assert (tmp_path / "exit_code").read_text() == "5"


def test_a_command_that_a_signal_ended_has_its_number(tmp_path: Path):
    runner = started(tmp_path, "kill -9 $$", "scan")
    assert runner.wait(WAIT_S) == 137
    assert (tmp_path / "exit_code").read_text() == "-9"


def test_without_a_separator_nothing_is_run(tmp_path: Path):
    command = [sys.executable, "-m", RUNNER, str(tmp_path / "exit_code"), "scan"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 1
    assert "usage" in ended.stderr
    assert not (tmp_path / "exit_code").exists()
