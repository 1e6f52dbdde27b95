"""Commands that the page starts: processes of their own, so that a reload, a second tab or a closed page does not end them.

What is known of a command lies in a directory below the runs: `command.json`, `output.txt`, `progress.json` and, once it has
ended, `exit_code`. Every tab reads the same files.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

KEPT = 20
"""Commands that the page still knows of."""

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
        """What it has said so far."""
        try:
            return (self.directory / "output.txt").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

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


def start(runs: Path, label: str, words: Sequence[str], environment: Mapping[str, str]) -> BackgroundCommand:
    """Start `autotag` with these words.

    Args:
        runs: directory of all runs.
        label: for people.
        words: of the command line, without `autotag`.
        environment: settings over those of the file, like `AUTOTAG_LABELS__TOPK`.
    """
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    directory = runs / DIRECTORY / f"{name}-{words[0]}"
    directory.mkdir(parents=True)
    command = [sys.executable, "-m", "autotag.cli", "--progress", str(directory / "progress.json"), *words]
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
    found: list[BackgroundCommand] = []
    for note in sorted((runs / DIRECTORY).glob("*/command.json"), reverse=True)[:KEPT]:
        try:
            record = json.loads(note.read_text(encoding="utf-8"))
            found.append(BackgroundCommand(note.parent, record["label"], record["pid"], record["born_s"]))
        except (OSError, ValueError, KeyError):
            continue  # half written by another tab: the next look finds it
    return found


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
    code = process.wait()
    part = directory / "exit_code.part"
    part.write_text(str(code), encoding="ascii")
    part.replace(directory / "exit_code")
