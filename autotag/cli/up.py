"""autotag up."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import psutil
import typer

from autotag.cli.console import new_console
from autotag.cli.listening import refuse_taken
from autotag.cli.options import Config
from autotag.cli.session import Session

GRACE_S = 30.0
"""How long the UI, the daemon and their runs, all of them, have to end by themselves; a second Ctrl-C cuts it short."""

END_S = 2.0
POLL_S = 0.1

LOG_LINES = 20
"""Of the log, shown when the UI ends by itself."""

POOLS = ("source", "reference", "target")
"""Of the assets; those of review take the pool of what they work on."""


def up(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.", min=1, max=65_535)] = 3000,
) -> None:
    """Start Dagster's UI and daemon: materialise, backfill, and tag folders as they arrive."""
    session = Session.open(config)
    refuse_taken(host, port)
    session.make_home()
    log = session.home / "up.log"
    _say(f"archive: {session.layout.source_shards}")
    _say(f"drop folders of images into: {session.layout.target}   (Ctrl-C stops)")
    _say(f"log:     {log}")
    _say("starting ...")
    _limit_pools()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "autotag.definitions"]
    command += ["-h", host, "-p", str(port), "--log-level", "warning"]
    code = _run_group(command, log, lambda: _has_answered(host, port))
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        sys.stderr.write("\n".join([*lines, f"the UI ended with exit code {code}; see {log}"]) + "\n")
    raise typer.Exit(code)


def _limit_pools() -> None:
    """Tell the instance of the pools: Dagster limits one only from the second look at its queue after its first run."""
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        for pool in POOLS:
            instance.event_log_storage.initialize_concurrency_limit_to_default(pool)


def _has_answered(host: str, port: int) -> bool:
    """Whether the UI listens; says so when it does."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    _say(f"UI:      http://{host}:{port}")
    return True


def _say(line: str) -> None:
    new_console().print(line, highlight=False, markup=False, soft_wrap=True)


def _run_group(command: list[str], log: Path, is_ready: Callable[[], bool]) -> int:
    """Run a command with all it starts in a session of its own, so that stopping it stops them all.

    Ctrl-C, SIGTERM and its own end ask all of them to end; what is still there after a grace time, or when asked
    twice, is ended.

    Args:
        command: its words.
        log: what it and its children say goes there: on the console their warnings bury what is ours.
        is_ready: asked again and again until it is.
    """
    stops: list[int] = []

    def stop(number: int, frame: object) -> None:
        del frame
        stops.append(number)

    # Before the start: a shell that puts us in the background has SIGINT ignored, and children inherit that.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, start_new_session=True, stdout=output, stderr=subprocess.STDOUT)
    try:
        while process.poll() is None and not stops and not is_ready():
            time.sleep(POLL_S)
        while process.poll() is None and not stops:
            time.sleep(POLL_S)
        code = 0 if stops else process.wait()
        if _is_left(process):
            _say("stopping ...")
            _signal_group(process, signal.SIGINT)  # as a terminal does, to all at once
            over = time.monotonic() + GRACE_S
            while _is_left(process) and len(stops) < 2 and time.monotonic() < over:
                time.sleep(POLL_S)
    finally:
        _end_group(process)
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a process's group: asked first, then forced."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        over = time.monotonic() + END_S
        _signal_group(process, number)
        while _is_left(process) and time.monotonic() < over:
            time.sleep(POLL_S)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _is_left(process: "subprocess.Popen[bytes]") -> bool:
    """Whether anything is left of a process's group but zombies, which a container's first process may never collect."""
    process.poll()  # one that nobody waits for stays in its group
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return any(_is_alive_in(process.pid, each) for each in psutil.process_iter())


def _is_alive_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
