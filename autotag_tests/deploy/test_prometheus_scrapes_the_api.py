"""A real Prometheus with deploy/prometheus.yml beside a real server: it is let in, and answers all that the dashboard asks."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from autotag_tests.deploy.files import DEPLOY, from_system
from autotag_tests.deploy.test_monitoring import expressions
from autotag_tests.examples.served_demo import served
from autotag_tests.examples.small_demo import AUTOTAG
from autotag_tests.review.postgres_server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 120.0


class Prometheus:
    """A server that scrapes an API every second, with a key of its own."""

    def __init__(self, program: str, directory: Path, api: str, key_file: Path) -> None:
        config = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
        here = {
            "api:8000": api.removeprefix("http://"),
            "/run/secrets/prometheus_key": str(key_file),
            "scrape_interval: 15s": "scrape_interval: 1s",
        }
        for theirs, mine in here.items():
            assert theirs in config
            config = config.replace(theirs, mine)
        (directory / "prometheus.yml").write_text(config, encoding="utf-8")
        (directory / "alerts.yml").write_text(
            (DEPLOY / "alerts.yml").read_text(encoding="utf-8"), encoding="utf-8"
        )
        self._url = f"http://127.0.0.1:{free_port()}"
        command = [
            program, f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, expression: str) -> list[float]:
        """Its values now."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=30) as answer:
            return [float(each["value"][1]) for each in json.load(answer)["data"]["result"]]

    def wait_for(self, expression: str) -> list[float]:
        over = time.monotonic() + PATIENCE_S
        while time.monotonic() < over:
            try:
                if found := self.ask(expression):
                    return found
            except URLError:
                assert self._process.poll() is None, "Prometheus ended"
            time.sleep(0.5)
        raise AssertionError(f"{expression}: no answer in {PATIENCE_S} s")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def watched(settings_file: Path, tmp_path: Path) -> Iterator[Prometheus]:
    program = from_system("prometheus", "prometheus")
    key = tmp_path / "prometheus_key"
    with key.open("w") as out:
        asked = [*AUTOTAG, "keys", "add", "prometheus", "--config", str(settings_file)]
        subprocess.run(asked, stdout=out, stderr=subprocess.DEVNULL, check=True)
    with served(settings_file) as api:
        prometheus = Prometheus(program, tmp_path, api, key)
        try:
            yield prometheus
        finally:
            prometheus.stop()


def test_it_is_let_in_and_answers_every_expression(watched: Prometheus) -> None:
    assert watched.wait_for('up{job="autotag"} == 1') == [1.0]
    assert watched.ask("autotag_catalog_up") == [1.0]
    assert watched.ask("autotag_catalog_images") == [0.0]
    assert watched.wait_for('sum(autotag_requests_total{route="/metrics", status="200"}) > 1')
    for expression in expressions():
        watched.ask(expression)
    assert not watched.ask('ALERTS{alertname="AutotagApiDown"}')
