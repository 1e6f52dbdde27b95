"""autotag serve: refuses what it should before it opens anything, says where it is, and ends in good order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from autotag.cli.serve import url_to_use
from autotag_tests.cli.conftest import Said
from autotag_tests.cli.test_studio import free_port

Autotag = Callable[..., Said]
WAIT_S = 120


def test_a_taken_port_is_refused_before_anything_is_made(autotag: Autotag, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = autotag("serve", "--port", str(taken.getsockname()[1]))
    assert told.code == 2
    assert "cannot listen there" in told.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_loopback_without_a_key_it_does_not_start(autotag: Autotag, tmp_path: Path, host: str) -> None:
    told = autotag("serve", "--host", host, "--port", str(free_port()))
    assert told.code == 2
    assert "autotag keys add <name>" in told.err
    assert not (tmp_path / "data" / "catalog").exists()


def test_the_settings_say_where_it_listens(autotag: Autotag, settings_file: Path) -> None:
    settings_file.write_text(settings_file.read_text() + '[serve]\nhost = "0.0.0.0"\n')
    told = autotag("serve", "--port", str(free_port()))
    assert told.code == 2
    assert "--host 0.0.0.0: other machines reach that address" in told.err


@pytest.mark.parametrize(
    "words", [("--host", "no.such.host.invalid"), ("--port", "0"), ("--port", "70000"), ("--host", "")]
)
def test_an_address_that_is_none_is_refused(autotag: Autotag, words: tuple[str, ...]) -> None:
    assert autotag("serve", *words).code == 2


def test_a_catalog_of_other_models_is_refused_with_the_remedy(autotag: Autotag, settings_file: Path) -> None:
    from autotag.serving.api.service import open_service
    from autotag.settings import Settings

    open_service(Settings.load(settings_file)).close(5)
    settings_file.write_text(
        settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"')
    )
    told = autotag("serve", "--port", str(free_port()))
    assert told.code == 1
    assert "set [models] as they were, or catalog the folders again" in told.err


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://box:8000"),
        ("::", "http://box:8000"),
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("images.example.org", "http://images.example.org:8000"),
    ],
)
def test_the_address_it_tells_is_one_that_a_client_can_use(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    assert url_to_use(host, 8000) == url


class Serving:
    """`autotag serve` with these words; a context manager that leaves no process behind."""

    def __init__(self, settings_file: Path, *words: str) -> None:
        self.port = free_port()
        command = [
            sys.executable,
            "-m",
            "autotag.cli",
            "serve",
            "--config",
            str(settings_file),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            [*command, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=settings_file.parent,
        )

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_in_good_order(settings_file: Path, number: signal.Signals) -> None:
    with Serving(settings_file) as serving:
        lines = [serving.line() for _ in range(4)]
        here = f"http://127.0.0.1:{serving.port}"
        assert lines[1] == f"API:   {here}   (Ctrl-C stops)\n"
        assert lines[2] == f"docs:  {here}/docs\n"
        assert f"{here}/readyz" in lines[3]
        with urlopen(f"{here}/healthz", timeout=30) as answer:
            assert answer.status == 200
            assert "server" not in {name.lower() for name in answer.headers}
        assert serving.end(number) == (0, "stopped\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 1.0, 1.5, 2.0])
def test_told_to_stop_while_it_warms_up_it_ends_in_good_order(settings_file: Path, after_s: float) -> None:
    with Serving(settings_file) as serving:
        for _ in range(4):
            serving.line()
        time.sleep(after_s)
        assert serving.end(signal.SIGTERM) == (0, "stopped\n", "")


@pytest.mark.slow
def test_scripts_get_one_object_and_a_log_of_requests_where_they_ask_for_it(settings_file: Path) -> None:
    with Serving(settings_file, "--json", "--log") as serving:
        told = json.loads(serving.line())
        assert told == {
            "url": f"http://127.0.0.1:{serving.port}",
            "docs": f"http://127.0.0.1:{serving.port}/docs",
            "ready": f"http://127.0.0.1:{serving.port}/readyz",
        }
        with urlopen(
            Request(told["url"] + "/search/text?q=secret", headers={"X-Request-ID": "abc"}), timeout=60
        ):
            pass
        code, out, err = serving.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    (line,) = err.splitlines()
    assert json.loads(line)["id"] == "abc"
    assert "secret" not in line


@pytest.mark.slow
def test_told_twice_it_does_not_wait_for_those_under_way_and_tells_them(settings_file: Path) -> None:
    with Serving(settings_file, "--json") as serving:
        serving.line()
        with socket.create_connection(("127.0.0.1", serving.port), timeout=WAIT_S) as slow:
            head = "POST /ingest/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            slow.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            time.sleep(1.0)
            serving.process.send_signal(signal.SIGINT)
            time.sleep(1.0)
            assert serving.process.poll() is None, "the first time it waits"
            assert serving.end(signal.SIGINT) == (0, "", "")
            assert slow.recv(1 << 16).startswith(b"HTTP/1.1 503")


@pytest.mark.slow
def test_beyond_loopback_it_asks_for_a_key(settings_file: Path) -> None:
    words = [sys.executable, "-m", "autotag.cli", "keys", "add", "me", "--config", str(settings_file)]
    key = subprocess.run(
        words, capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout.strip()
    with Serving(settings_file, "--host", "0.0.0.0") as serving:
        lines = [serving.line() for _ in range(5)]
        assert lines[1] == f"API:   http://{socket.gethostname()}:{serving.port}   (Ctrl-C stops)\n"
        assert "TLS is for a proxy before it" in lines[4]
        here = f"http://127.0.0.1:{serving.port}/tags"
        with pytest.raises(OSError, match="401"):
            urlopen(here, timeout=30)
        with urlopen(Request(here, headers={"Authorization": f"Bearer {key}"}), timeout=60) as answer:
            assert answer.status == 200
