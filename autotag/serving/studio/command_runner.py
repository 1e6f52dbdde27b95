"""Runs one `autotag` command and writes how it ended: `command_runner EXIT_FILE -- WORDS`.

It does so itself, because whoever started it may be gone by then.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

FORWARDED = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    """Run `autotag` with the words; its exit code, as a shell tells it."""
    exit_file, separator, *words = arguments
    if separator != "--":
        raise SystemExit("usage: command_runner EXIT_FILE -- WORDS")
    code = run([sys.executable, "-m", "autotag.cli", *words])
    write_exit_code(Path(exit_file), code)
    return code if code >= 0 else 128 - code


def run(command: Sequence[str]) -> int:
    """Run a command to its end, whatever it is asked to do; signals that ask this process to end are handed on to it.

    Returns:
        Its exit code; below 0, the number of the signal that ended it.
    """
    child: subprocess.Popen[bytes] | None = None
    asked: list[int] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if child is not None:
            child.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, hand_on)
    child = subprocess.Popen(command)
    if asked:  # before there was anything to hand it on to
        child.send_signal(asked[-1])
    return child.wait()


def write_exit_code(file: Path, code: int) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(str(code), encoding="ascii")
    part.replace(file)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
