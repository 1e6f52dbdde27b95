"""autotag studio: the command becomes the page's server, with the settings file and a free address."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autotag_tests.cli.conftest import Said

Autotag = Callable[..., Said]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Words of the programs that this process would have become."""
    found: list[list[str]] = []

    def become(program: str, words: list[str]) -> None:
        assert program == sys.executable
        found.append(words)

    monkeypatch.setattr(os, "execv", become)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_server_gets_the_settings_file_and_the_address(
    autotag: Autotag, started: list[list[str]], settings_file: Path, tmp_path: Path
) -> None:
    port = free_port()
    told = autotag("studio", "--port", str(port))
    assert (told.code, told.err) == (0, "")
    assert told.out == f"studio: http://127.0.0.1:{port}   (Ctrl-C stops)\n"
    (words,) = started
    assert words[:4] == [sys.executable, "-m", "autotag.serving.studio", str(settings_file)]
    assert {"--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true"} <= set(words)
    assert "--browser.gatherUsageStats=false" in words
    assert (tmp_path / "data" / ".dagster" / "dagster.yaml").is_file()


def test_a_named_settings_file_is_the_one_passed_on(
    autotag: Autotag, started: list[list[str]], settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = settings_file.parent / "some where" / "other.toml"
    other.parent.mkdir()
    other.write_text(settings_file.read_text())
    told = autotag("studio", "--config", "some where/other.toml", "--port", str(free_port()))
    assert told.code == 0
    assert started[0][3] == str(other)
    assert os.environ["AUTOTAG_CONFIG"] == str(other)
    assert (other.parent / "data" / ".dagster").is_dir()


def test_a_taken_port_is_refused_before_anything_is_made(
    autotag: Autotag, started: list[list[str]], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = autotag("studio", "--port", str(port))
    assert told.code == 2
    assert f"--host 127.0.0.1 --port {port}: cannot listen there" in told.err
    assert not started
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("host", "is_warned"), [("0.0.0.0", True), ("127.0.0.1", False), ("localhost", False)]
)
def test_an_address_that_others_reach_is_warned_of(
    autotag: Autotag, started: list[list[str]], host: str, is_warned: bool
) -> None:
    told = autotag("studio", "--host", host, "--port", str(free_port()))
    assert told.code == 0
    assert (f"{host} is no address of this machine alone" in told.err) == is_warned
    assert f"--server.address={host}" in started[0]
