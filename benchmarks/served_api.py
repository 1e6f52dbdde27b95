"""`autotag serve` in a process of its own, whose memory is watched."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.watched_process import CLI, REPOSITORY, CommandFailedError

START_S = 180.0
STOP_S = 60.0
LOOK_S = 2.0


@dataclass
class Server:
    """A running API.

    Attributes:
        url: of it.
        ready_s: from the start of its process until it is ready.
        memory_mib: proportional set size, every `LOOK_S` seconds.
    """

    url: str
    process: psutil.Process
    ready_s: float
    memory_mib: list[float] = field(default_factory=list)


@contextmanager
def served(settings: Path) -> Iterator[Server]:
    """`autotag serve` in a process of its own; told to stop at the end, which it has to do in good order.

    Raises:
        CommandFailedError: it did not start, or did not stop.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings.parent / "serve.log"
    command = [*CLI, "serve", "--config", str(settings), "--port", str(port)]
    started = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        server = Server(url, psutil.Process(process.pid), time.perf_counter() - started)
        with _watched(server):
            yield server
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(f"autotag serve did not stop within {STOP_S:g} s") from error
    finally:
        process.kill()
        process.wait()
    if process.returncode not in (0, -signal.SIGTERM):
        raise CommandFailedError(f"autotag serve ended with {process.returncode}:\n{_tail(log)}")


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.perf_counter() + START_S
    while time.perf_counter() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.05)
    raise CommandFailedError(f"autotag serve did not become ready:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


@contextmanager
def _watched(server: Server) -> Iterator[None]:
    """Its memory is written down inside the block."""
    end = threading.Event()

    def look() -> None:
        while not end.wait(LOOK_S):
            try:
                server.memory_mib.append(server.process.memory_full_info().pss / 2**20)
            except psutil.Error:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
