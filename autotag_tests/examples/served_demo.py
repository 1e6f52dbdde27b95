"""`autotag serve` beside a small demo, on a free port, until the block ends."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotag_tests.examples.small_demo import AUTOTAG
from autotag_tests.review.postgres_server import free_port

PATIENCE_S = 240.0


@contextmanager
def served(settings: Path) -> Iterator[str]:
    """The address of a server that is ready."""
    command = [*AUTOTAG, "serve", "--config", str(settings), "--port", str(free_port()), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            _wait_for(told["ready"], process)
            yield told["url"]
        finally:
            process.terminate()
            process.wait(60)


def path_with_autotag() -> str:
    """A PATH on which `autotag` and `python` are those of the tests."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    over = time.monotonic() + PATIENCE_S
    while time.monotonic() < over:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=30).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"{url} is not ready after {PATIENCE_S} s")
