"""Runs a command and watches its process tree: wall time, processor time, peak memory.

Memory is the sum of proportional set sizes: what two processes share is counted once, so a Ray session with
its idle workers is not made to look larger than it is. Linux only.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_INTERVALS_S = (0.05, 0.5)
"""Between two looks, in the first second and later: a look walks the memory of every process, and costs what it measures."""
REPOSITORY = Path(__file__).resolve().parent.parent
CLI = (sys.executable, "-c", "from autotag.cli.main import run; run()")
"""The `autotag` command of this environment."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of a command that ended well.

    Attributes:
        output: its standard output.
        errors: its standard error.
        started: time of the start, seconds since the epoch.
        seconds: wall time from start to exit.
        cpu_s: processor time of all processes of the tree, as far as the last sample of each saw it.
        peak_mib: most memory the tree held at one sample.
    """

    output: str
    errors: str
    started: float
    seconds: float
    cpu_s: float
    peak_mib: float


class CommandFailedError(Exception):
    """A command of a benchmark ended with an error; nothing was measured."""


def watch(
    command: Sequence[str], environment: Mapping[str, str] | None = None, timeout_s: float = 3600
) -> Watched:
    """Run a command to its end, from the repository's root so that worker processes find this package.

    Raises:
        CommandFailedError: it ended with another code than 0, or not in time.
    """
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
    started, clock = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    tree = _Tree(process.pid)
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise CommandFailedError(f"{_shown(command)} did not end within {timeout_s:g} s") from error
    finally:
        seconds = time.perf_counter() - clock
        tree.stop()
    if process.returncode:
        raise CommandFailedError(f"{_shown(command)} ended with {process.returncode}:\n{errors[-3000:]}")
    return Watched(output, errors, started, seconds, tree.cpu_s, tree.peak_mib)


def _shown(command: Sequence[str]) -> str:
    return " ".join(command)[-300:]


class _Tree:
    """Samples a process and all below it until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu_s: dict[int, float] = {}
        self.peak_mib = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_end, daemon=True)
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _sample_until_end(self) -> None:
        began = time.monotonic()
        self._sample()
        while not self._end.wait(SAMPLE_INTERVALS_S[time.monotonic() > began + 1]):
            self._sample()

    def _sample(self) -> None:
        held = 0
        try:
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                held += process.memory_full_info().pss
                times = process.cpu_times()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # it ended between the two looks
            self._cpu_s[process.pid] = times.user + times.system
        self.peak_mib = max(self.peak_mib, held / 2**20)
