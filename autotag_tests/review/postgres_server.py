"""A private Postgres server for the tests: its own cluster in a directory of its own, on a free port, gone afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

LEAST_VERSION = 15
"""The first whose clusters can sort by a language without one of the system's locales."""
USER, PASSWORD = "autotag", "a secret: of/tests@"
PATIENCE_S = 60.0
# Sorted as people do, so that a query which leaves the order to the server is found out.
CLUSTER = ["--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8", "--auth=scram-sha-256"]
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}


def postgres_binaries() -> Path | None:
    """Directory of the newest installed server's programs; Debian keeps them off the PATH."""
    found = {int(path.parent.name): path for path in Path("/usr/lib/postgresql").glob("[0-9]*/bin")}
    if (on_path := shutil.which("postgres")) and shutil.which("initdb"):
        version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True).stdout
        found.setdefault(int(version.split()[2].split(".")[0]), Path(on_path).resolve().parent)
    usable = {
        version: path
        for version, path in found.items()
        if version >= LEAST_VERSION and (path / "initdb").exists()
    }
    return usable[max(usable)] if usable else None


def required_binaries() -> Path:
    """Skips the test without Postgres; fails it where REQUIRE_POSTGRES says so, as in CI."""
    if binaries := postgres_binaries():
        return binaries
    told = f"no Postgres {LEAST_VERSION} or later is installed; install postgresql"
    if os.environ.get("REQUIRE_POSTGRES"):
        pytest.fail(f"{told} (REQUIRE_POSTGRES is set)")
    pytest.skip(told)


class PostgresServer:
    """A cluster, and the server on it while it runs."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._binaries, self._directory = binaries, directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        # Postgres runs for no root; there its files belong to the user that Debian's package has made.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(directory, self._user, self._user)
        secret = directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        asked = [binaries / "initdb", "-D", directory / "data", "-U", USER, f"--pwfile={secret}", *CLUSTER]
        subprocess.run(asked, check=True, capture_output=True, cwd=directory, user=self._user)

    def start(self) -> None:
        """Returns when it answers."""
        options = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(self.port)}).items()]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._directory / "data", *options],
                stdout=log, stderr=log, cwd=self._directory, user=self._user, start_new_session=True,
            )  # fmt: skip
        over = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > over:
                pytest.fail(f"Postgres did not start: {(self._directory / 'log').read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """At once: whoever is connected is thrown out."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            self.run("postgres", "SELECT 1")
        except OperationalError:
            return False
        return True

    def url(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """URL of a database, as people write it into their settings."""
        url = URL.create("postgresql+psycopg", user, password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    def run(self, database: str, *statements: str) -> None:
        """Execute statements, each by itself."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                for statement in statements:
                    connection.execute(text(statement))
        finally:
            engine.dispose()

    def new_database(self) -> str:
        """Name of an empty one."""
        name = f"ledger_{uuid.uuid4().hex[:12]}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return name


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server for as long as the block lasts. Pytest's own directories are closed to its user."""
    binaries = required_binaries()
    directory = Path(tempfile.mkdtemp(prefix="autotag-postgres-"))
    server = None
    try:
        server = PostgresServer(binaries, directory)
        server.start()
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(directory)
