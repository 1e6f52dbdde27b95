"""`autotag serve` as a process of its own, and plain requests to it."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

BOUNDARY = "b0undary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
START_S = 120


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def facts(self) -> Any:
        return json.loads(self.body)


def form_of(data: bytes, tags: tuple[str, ...] = ()) -> bytes:
    """A form with a file and tags."""
    texts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="tags"\r\n\r\n{tag}\r\n' for tag in tags]
    return "".join(texts).encode() + file_begins() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def file_begins() -> bytes:
    """What stands before a form's file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    return head.encode()


class Served:
    """A running server; a context manager, which ends it."""

    def __init__(self, config: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        command = [str(Path(sys.executable).with_name("autotag")), "serve", "--config", str(config)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)], cwd=config.parent, stdout=subprocess.DEVNULL
        )
        self._await_ready()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def ingest(self, data: bytes, tags: tuple[str, ...] = ()) -> Answer:
        return self.ask("POST", "/ingest/image", form_of(data, tags), FORM)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One request on a connection of its own.

        Raises:
            OSError: the server is gone, or goes.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))
        except HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def _await_ready(self) -> None:
        end_s = time.monotonic() + START_S
        while True:
            try:
                if self.get("/readyz").status == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end_s:
                self.process.kill()
                raise AssertionError("the server did not become ready")
            time.sleep(0.1)
