"""The Dagster containers of compose.yaml as processes of this machine: their commands, their health checks, their files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotag_tests.deploy.files import DEPLOY, services
from autotag_tests.review.postgres_server import PASSWORD, USER, PostgresServer, free_port

PATIENCE_S = 240.0
STAYING = ("dagster-code", "dagster-webserver", "dagster-daemon")


class Deployment:
    """Dagster as deployed, on a Postgres of its own; hosts, ports and places are this machine's."""

    def __init__(self, server: PostgresServer, home: Path, config: Path) -> None:
        home.mkdir()
        shutil.copy(DEPLOY / "dagster.yaml", home / "dagster.yaml")
        self.log = home / "processes.log"
        self._ports = {"4000": str(free_port()), "3000": str(free_port())}
        from_compose = services()["dagster-code"]["environment"]
        mine = {
            "AUTOTAG_CONFIG": str(config),
            "AUTOTAG_REVIEW__LEDGER": server.url("ledger"),
            "DAGSTER_HOME": str(home),
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(server.port),
            "DAGSTER_POSTGRES_USER": USER,
            "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": self._ports["4000"],
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, **from_compose, **mine, "PATH": path}
        server.run("postgres", f"CREATE DATABASE {from_compose['DAGSTER_POSTGRES_DB']}")
        server.run("postgres", (DEPLOY / "postgres" / "databases.sql").read_text(encoding="utf-8"))

    def words(self, command: list[str]) -> list[str]:
        """A command of the file as this machine needs it."""
        here = {
            **self._ports,
            "0.0.0.0": "127.0.0.1",
            "/etc/autotag/workspace.yaml": str(DEPLOY / "workspace.yaml"),
        }
        words = [here.get(word, word).replace("$$", "$") for word in command]
        return [word.replace("127.0.0.1:3000", f"127.0.0.1:{self._ports['3000']}") for word in words]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command in a container of autotag, to its end."""
        words = self.words(list(command))
        return subprocess.run(
            words,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=self.log.parent,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Setup, then each container in the order of the file; each is waited for until it says it is healthy."""
        setup = self.run(*services()["dagster-setup"]["command"])
        assert setup.returncode == 0, setup.stderr
        started: list[subprocess.Popen[bytes]] = []
        try:
            for name in STAYING:
                started.append(self._start(services()[name]["command"]))
                self._wait_for(name, started[-1])
            yield
        finally:
            for process in reversed(started):
                _end(process)

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the UI would ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self._ports['3000']}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.words(command), env=self.environment, stdout=log, stderr=log,
                start_new_session=True, cwd=self.log.parent,
            )  # fmt: skip

    def _wait_for(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        over = time.monotonic() + PATIENCE_S
        check = services()[name]["healthcheck"]["test"][1:]
        while self.run(*check).returncode:
            assert process.poll() is None, f"{name} ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < over, f"{name} is not healthy: {self.log.read_text()[-3000:]}"
            time.sleep(0.5)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, patience_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 20)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
