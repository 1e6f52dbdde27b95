"""autotag up."""

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from autotag.cli.options import Config
from autotag.cli.session import Session
from autotag.errors import UsageError

GRACE_S = 30.0
"""How long the UI, the daemon and their runs have to end by themselves."""


def up(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.", min=1, max=65_535)] = 3000,
) -> None:
    """Start Dagster's UI and daemon: materialise, backfill, and tag folders as they arrive."""
    session = Session.open(config)
    _refuse_taken(host, port)
    console = Console()
    console.print(f"UI:      http://{host}:{port}", highlight=False)
    console.print(f"archive: {session.layout.source_shards}", highlight=False, soft_wrap=True)
    console.print(
        f"drop folders of images into: {session.layout.target}   (Ctrl-C stops)",
        highlight=False,
        soft_wrap=True,
    )
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "autotag.definitions",
        "-h",
        host,
        "-p",
        str(port),
    ]
    raise typer.Exit(_run_group([*command, "--log-level", "warning"]))


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(
                f"--host {host} --port {port}: cannot listen there ({reason}); choose another"
            ) from error


def _run_group(command: list[str]) -> int:
    """Run a command with all it starts in a session of its own, so that stopping it stops them all.

    Ctrl-C and SIGTERM ask it to end; what is still there after a grace time is ended.
    """
    stopped_at: list[float] = []

    def stop(*_: object) -> None:
        stopped_at.append(time.monotonic())

    # Before the start: a shell that puts us in the background has SIGINT ignored, and children inherit that.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    process = subprocess.Popen(command, start_new_session=True)
    try:
        while process.poll() is None and not stopped_at:
            time.sleep(0.2)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            _wait(process, GRACE_S)
    finally:
        _end_group(process.pid)
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if stopped_at else process.wait()


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return


def _end_group(group: int) -> None:
    """End what is left of a process group: asked first, then forced."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        time.sleep(2.0)
