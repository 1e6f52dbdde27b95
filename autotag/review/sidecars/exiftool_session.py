"""One ExifTool process that stays open: found, checked for its version, given arguments, and ended, whatever happens to it."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from exiftool import ExifTool
from exiftool.exceptions import ExifToolException

from autotag.errors import SidecarError

MINIMUM_VERSION = (12, 15)
"""From here on ExifTool ends each answer of a process that stays open with its exit status, which PyExifTool waits for."""

START_LIMIT_S = 30.0
ANSWER_LIMIT_S = 300.0
"""A batch of 256 sidecars takes a second or two; what takes this long hangs."""

LOOK_S = 0.1


class ExifToolLostError(SidecarError):
    """ExifTool ended, or hung, over what it was given."""


class ExifToolSession:
    """A running ExifTool. Not for use by several threads.

    Attributes:
        version: like (12, 57).
        complaints: what the last call wrote to standard error.
    """

    def __init__(self, program: str = "exiftool", answer_limit_s: float = ANSWER_LIMIT_S) -> None:
        """Find the program and ask for its version; `with` starts it.

        Args:
            program: a name on the PATH, or a path.
            answer_limit_s: how long one call may take.

        Raises:
            SidecarError: it is missing, is no ExifTool, or is too old.
        """
        self._program, self.version = found_exiftool(program)
        self._answer_limit_s = answer_limit_s
        self.complaints = ""

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tool.running:
            self._tool.terminate()

    def run(self, *arguments: str) -> bytes:
        """Give ExifTool one set of arguments, none with a line break; its standard output comes back.

        Raises:
            ExifToolLostError: it ended or hung; another one is running by then.
        """
        if any("\n" in argument or "\r" in argument for argument in arguments):
            raise ValueError("an argument of ExifTool is one line")
        try:
            with _watched(self._tool, self._answer_limit_s):
                answer = self._tool.execute(*arguments, raw_bytes=True)
        except (OSError, ValueError, ExifToolException) as error:
            self._tool.lose()
            self._start()
            raise ExifToolLostError(
                f"ExifTool ended, or took longer than {self._answer_limit_s:.0f} s, over what it was given"
            ) from error
        self.complaints = _text(self._tool.last_stderr)
        return answer if isinstance(answer, bytes) else answer.encode()

    def _start(self) -> None:
        # An empty config file: what a user has set for ExifTool elsewhere must not change what is written here.
        self._tool = _StayOpen(self._program, common_args=[], config_file="", encoding="utf-8")
        try:
            self._tool.run()
        except (OSError, ValueError, RuntimeError, ExifToolException) as error:
            raise SidecarError(f"{self._program} could not be started ({error}); {_REMEDY}") from error


_REMEDY = (
    "install ExifTool 12.15 or later (Debian, Ubuntu: libimage-exiftool-perl; macOS: brew install exiftool), or name it in"
    " [sidecars] exiftool"
)


def found_exiftool(program: str) -> tuple[str, tuple[int, ...]]:
    """Path and version of ExifTool.

    Raises:
        SidecarError: it is missing, is no ExifTool, or is too old.
    """
    path = shutil.which(program)
    if path is None:
        raise SidecarError(f"ExifTool ({program}) is not there, and sidecars are written with it; {_REMEDY}")
    try:
        asked = subprocess.run(
            [path, "-config", "", "-ver"],
            capture_output=True,
            timeout=START_LIMIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        told = asked.stdout.decode("utf-8", "replace").strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SidecarError(f"{path} does not run as ExifTool ({error}); {_REMEDY}") from error
    match = re.match(r"(\d+)\.(\d+)", told)
    if match is None or asked.returncode:
        raise SidecarError(
            f"{path} is no ExifTool that works: asked for its version it says {told[:80]!r}; {_REMEDY}"
        )
    version = (int(match[1]), int(match[2]))
    if version < MINIMUM_VERSION:
        raise SidecarError(f"{path} is ExifTool {told}, which is too old; {_REMEDY}")
    return path, version


class _StayOpen(ExifTool):
    """PyExifTool's process, which can also be let go of when it is dead."""

    @property
    def running(self) -> bool:
        """Whether it was started and not let go of; PyExifTool's own warns of one that died, which `lose` takes care of."""
        return self._running

    def lose(self) -> None:
        """Kill the process, if there is one, and forget it."""
        process = self._process
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was still to be written to a dead process
                    continue
        process.wait()
        self._flag_running_false()

    def process(self) -> "subprocess.Popen[Any] | None":
        """The operating system's process."""
        return self._process


@contextmanager
def _watched(tool: _StayOpen, limit_s: float) -> Iterator[None]:
    """Inside the block, a process that ends or hangs makes reading from it fail.

    PyExifTool reads until the end of an answer, and goes on reading, without end, from a process that is gone.
    """
    is_answered = threading.Event()
    watcher = threading.Thread(target=_watch, args=(tool.process(), is_answered, limit_s), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_answered.set()
        watcher.join()


def _watch(process: "subprocess.Popen[Any] | None", is_answered: threading.Event, limit_s: float) -> None:
    ends = time.monotonic() + limit_s
    while process is not None and not is_answered.wait(LOOK_S):
        if process.poll() is None and time.monotonic() < ends:
            continue
        process.kill()
        # In the place of its output comes what cannot be read: a reader gets an error, not "nothing yet" for ever.
        unreadable = os.open(os.devnull, os.O_WRONLY)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.dup2(unreadable, stream.fileno())
        os.close(unreadable)
        return


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
