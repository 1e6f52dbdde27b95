"""Commands that the page starts: processes of their own, so that a reload, a second tab or a closed page does not end them.

What is known of a command lies in a directory below the runs: `command.json`, `output.txt`, `progress.json` and, once it has
ended, `exit_code`, which its own runner writes: it outlives the page's server. Every tab reads the same files.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from autotag.serving.studio.command_runner import write_exit_code

KEPT = 20
"""Commands that the page still knows of; directories of others that have ended are removed."""

OUTPUT_BYTES = 64 * 1024
"""Of the end of a command's output, at most."""

DIRECTORY = "studio"


@dataclass(frozen=True, slots=True)
class BackgroundCommand:
    """One command, as its files tell it.

    Attributes:
        directory: where its files lie.
        label: what the button said.
        pid: of its process.
        born_s: when that process began, seconds since the epoch: numbers of processes are used again.
    """

    directory: Path
    label: str
    pid: int
    born_s: float

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -1 where it ended and nobody saw how."""
        try:
            return int((self.directory / "exit_code").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None if self._is_alive() else -1

    @property
    def output(self) -> str:
        """What it has said last: whole lines, of `OUTPUT_BYTES` at most."""
        try:
            with (self.directory / "output.txt").open("rb") as stream:
                start = max(0, stream.seek(0, os.SEEK_END) - OUTPUT_BYTES)
                stream.seek(start)
                said = stream.read(OUTPUT_BYTES)
        except FileNotFoundError:
            return ""
        return (said.partition(b"\n")[2] if start else said).decode("utf-8", errors="replace")

    @property
    def progress(self) -> tuple[str, int, int]:
        """Step under way, images done, images in all; 0 where nobody knows yet."""
        try:
            state = json.loads((self.directory / "progress.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return "", 0, 0
        return state["step"], state["done"], state["total"]

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does; what it has finished is kept."""
        if self.exit_code is None:
            os.kill(self.pid, 2)

    def _is_alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.born_s) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def start(
    runs: Path, label: str, words: Sequence[str], environment: Mapping[str, str], plan: Path | None = None
) -> BackgroundCommand:
    """Start `autotag` with these words.

    Args:
        runs: directory of all runs.
        label: for people.
        words: of the command line, without `autotag`.
        environment: settings over those of the file, like `AUTOTAG_LABELS__TOPK`.
        plan: file that goes with them as `--plan`; it is moved to the command's own, and goes with them.

    Raises:
        FileNotFoundError: somebody else has taken the plan; nothing was started.
    """
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    directory = runs / DIRECTORY / f"{name}-{words[0]}"
    directory.mkdir(parents=True)
    if plan is not None:
        words = [*words, "--plan", str(_taken(plan, directory))]
    _prune(runs)
    runner = [sys.executable, "-m", "autotag.serving.studio.command_runner", str(directory / "exit_code")]
    command = [*runner, "--", "--progress", str(directory / "progress.json"), *words]
    with (directory / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment, "COLUMNS": "110"},
        )
    started = BackgroundCommand(directory, label, process.pid, psutil.Process(process.pid).create_time())
    _note(started, words)
    threading.Thread(target=_wait, args=(process, directory), daemon=True).start()
    return started


def known(runs: Path) -> list[BackgroundCommand]:
    """The last commands, latest first."""
    notes = sorted((runs / DIRECTORY).glob("*/command.json"), reverse=True)[:KEPT]
    return [command for note in notes if (command := _read(note.parent)) is not None]


def _read(directory: Path) -> BackgroundCommand | None:
    """None where it was not noted yet by another tab: the next look finds it."""
    try:
        record = json.loads((directory / "command.json").read_text(encoding="utf-8"))
        return BackgroundCommand(directory, record["label"], record["pid"], record["born_s"])
    except (OSError, ValueError, KeyError):
        return None


def _prune(runs: Path) -> None:
    """Remove what is older than the last `KEPT` commands that have ended, but for what still runs."""
    ended = 0
    for directory in sorted((runs / DIRECTORY).glob("*/"), reverse=True):
        command = _read(directory)
        is_over = command is not None and command.exit_code is not None
        # One that was never noted, and is as old, was started by somebody who was killed then.
        if ended >= KEPT and (is_over or command is None):
            shutil.rmtree(directory, ignore_errors=True)
        ended += is_over


def _taken(plan: Path, directory: Path) -> Path:
    try:
        return plan.rename(directory / plan.name)
    except FileNotFoundError:
        directory.rmdir()
        raise


def _note(started: BackgroundCommand, words: Sequence[str]) -> None:
    part = started.directory / "command.part"
    record = {
        "label": started.label,
        "words": list(words),
        "pid": started.pid,
        "born_s": started.born_s,
    }
    part.write_text(json.dumps(record), encoding="utf-8")
    part.replace(started.directory / "command.json")


def _wait(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    """Let the process go, and tell the end of a runner that was killed before it could."""
    code = process.wait()
    if directory.is_dir() and not (directory / "exit_code").exists():
        write_exit_code(directory / "exit_code", code)
