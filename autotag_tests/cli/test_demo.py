"""`autotag demo` as a person meets it first: the real starter models, no network, nothing outside its directory."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from autotag_tests.conftest import snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMAND = [sys.executable, "-c", "from autotag.cli.main import run; run()"]
GUARD = """
import os
import socket

def _guarded(method):
    def guard(self, address, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            _refuse(address)
        return method(self, address, *rest)
    return guard

def _refuse(what):
    with open(os.environ["REFUSED"], "a") as refused:
        refused.write(f"{what!r}\\n")
    raise OSError(f"the test refuses {what!r}")

def _lookup(host, *rest, _method=socket.getaddrinfo, **options):
    if host not in (None, "", "127.0.0.1", "::1", "localhost", socket.gethostname()):
        _refuse(("getaddrinfo", host))
    return _method(host, *rest, **options)

socket.socket.connect = _guarded(socket.socket.connect)
socket.socket.connect_ex = _guarded(socket.socket.connect_ex)
socket.getaddrinfo = _lookup
open(os.environ["REFUSED"] + ".armed", "a").close()
"""
"""Every Python process of the demo starts with this: connections and look-ups beyond this machine are written down."""


@dataclass(frozen=True)
class Place:
    """Where a guarded process runs."""

    home: Path
    start: Path
    refused: Path
    environment: dict[str, str]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.start,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty home, an empty directory to start in, and a Python that reaches nothing beyond this machine."""
    home, start, guard, temporary = (tmp_path / name for name in ("home", "start", "guard", "temporary"))
    for directory in (home, start, guard, temporary):
        directory.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    dropped = ("DAGSTER_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HF_HOME", "TORCH_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    search_path = os.pathsep.join(filter(None, [str(guard), os.environ.get("PYTHONPATH", "")]))
    environment = {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": search_path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "REFUSED": str(tmp_path / "refused"),
        "COLUMNS": "120",
    }
    return Place(home, start, tmp_path / "refused", environment)


class Loads(HTMLParser):
    """What a browser would fetch for a page: all sources and style sheets, and addresses within styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses = re.findall(r"url\(\s*['\"]?([^'\")]+)", page) + re.findall(r"@import\s+(\S+)", page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetched = {"src", "srcset", "poster", "data"} | (
            {"href"} if tag in ("link", "use", "image") else set()
        )
        self.addresses += [value for name, value in attrs if name in fetched and value]


def test_the_guard_sees_what_goes_beyond_this_machine(place: Place) -> None:
    """Else the demo's empty list would say nothing."""
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = place.run(sys.executable, "-c", reach)
    assert "the test refuses" in done.stderr
    assert "192.0.2.1" in place.refused.read_text()


def test_the_demo_reaches_nothing_and_leaves_pages_that_stand_alone(place: Place, tmp_path: Path) -> None:
    before = snapshot(place.start)
    done = place.run(*COMMAND, "demo", "--dir", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert place.refused.with_name("refused.armed").exists()
    assert not place.refused.exists(), place.refused.read_text()

    assert re.search(r"^ ?file +tags \(score, votes\)", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^ ?\S+\.jpg +\w[\w ]* \(0\.\d\d, \d+\)", done.stdout, re.MULTILINE), done.stdout
    pages = {Path(unquote(urlsplit(uri).path)) for uri in re.findall(r"file://\S+", done.stdout)}
    assert len(pages) == 3
    assert re.search(r"^ ?1 +0\.\d{3} +people +grace-hopper", done.stdout, re.MULTILINE), done.stdout
    assert "autotag serve --config" in done.stdout
    for page in pages:
        assert page.is_relative_to(tmp_path / "demo")
        text = page.read_text(encoding="utf-8")
        addresses = Loads(text).addresses
        assert any(address.startswith("data:image/") for address in addresses)
        assert [address for address in addresses if not address.startswith(("data:", "#"))] == []

    assert snapshot(place.start) == before
    outside = [str(path.relative_to(place.home)) for path in place.home.rglob("*") if path.is_file()]
    assert all(name.startswith(".cache/autotag/") for name in outside), outside
