"""`autotag serve`, killed while images come in, and told to end while they do: what was acknowledged is there, once."""

import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autotag.catalog.open import open_catalog
from autotag.domain.identity import media_id
from autotag.models.fakes import DIM
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.conftest import picture
from autotag_tests.serving.api.served import Served

pytestmark = pytest.mark.slow

ROUNDS = 5
CLIENTS = 6


@dataclass
class Clients:
    """Send pictures until the server is gone; every third one again, with another tag.

    Attributes:
        acknowledged: image ids and tags by media id, of what the server said it has.
        refused: statuses that were no acknowledgement.
    """

    server: Served
    first: int
    acknowledged: dict[str, tuple[str, set[str]]]
    refused: list[int] = field(default_factory=list)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        for each in threads:
            each.start()
        return threads

    def _send(self) -> None:
        while True:
            with self.lock:
                number, self.sent = self.first + self.sent - self.sent // 3, self.sent + 1
                tags = (f"tag {self.sent % 3}",)
            data = picture(number)
            try:
                answer = self.server.ingest(data, tags)
            except OSError:
                return
            with self.lock:
                if answer.status in (200, 201):
                    known = self.acknowledged.setdefault(media_id(data), (answer.facts["image_id"], set()))
                    known[1].update(tags)
                else:
                    self.refused.append(answer.status)


def assert_all_there(server: Served, acknowledged: dict[str, tuple[str, set[str]]]) -> None:
    for media, (image_id, tags) in acknowledged.items():
        answer = server.get(f"/images/{image_id}")
        assert answer.status == 200, f"{image_id} was acknowledged and is gone"
        assert answer.facts["media_id"] == media
        assert tags <= set(answer.facts["tags"])
        assert server.get(f"/images/{image_id}/crops/0?long_edge_px=16").status == 200


def test_what_was_acknowledged_is_there_once_however_often_the_server_is_killed(
    settings_file: Path, settings: Settings, plan: PipelinePlan
) -> None:
    acknowledged: dict[str, tuple[str, set[str]]] = {}
    first = 0
    for _ in range(ROUNDS):
        with Served(settings_file) as server:
            assert_all_there(server, acknowledged)
            clients = Clients(server, first, acknowledged)
            threads = clients.run()
            time.sleep(random.uniform(0.3, 2.0))
            server.end(signal.SIGKILL)
            for each in threads:
                each.join()
            first += clients.sent
            assert not clients.refused
    assert len(acknowledged) > ROUNDS
    root = Path(plan.layout.ingested.path)
    with Served(settings_file) as server:
        assert_all_there(server, acknowledged)
        kept = {path.name for path in root.glob("*.png")}
        await_catalogued(server, len(kept))
        assert server.end() == 0
    catalog = open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)
    files = [image.file for image in catalog.page(limit=10_000)]
    assert sorted(files) == sorted(kept)
    assert len({file.partition(".")[0] for file in files}) == len(files)
    assert {path.stem for path in root.glob("*.json")} <= {path.stem for path in root.glob("*.png")}
    assert not list(root.glob("*.tmp"))
    catalog.close()


def await_catalogued(server: Served, images: int) -> None:
    """Until what was kept and not acknowledged is catalogued, too."""
    end_s = time.monotonic() + 60
    while _count(server) < images:
        assert time.monotonic() < end_s, f"{_count(server)} of {images} are catalogued"
        time.sleep(0.2)


def _count(server: Served) -> int:
    count, after = 0, ""
    while True:
        page = server.get(f"/images?limit=100&after={after}").facts
        count, after = count + len(page["hits"]), page["next"]
        if not after:
            return count


def test_a_server_that_is_told_to_end_brings_to_an_end_what_it_accepted(
    settings_file: Path, settings: Settings, plan: PipelinePlan
) -> None:
    acknowledged: dict[str, tuple[str, set[str]]] = {}
    with Served(settings_file) as server:
        clients = Clients(server, 0, acknowledged)
        threads = clients.run()
        time.sleep(1.5)
        assert server.end() == 0
        for each in threads:
            each.join()
    assert set(clients.refused) <= {503}
    catalog = open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)
    kept = {path.stem for path in Path(plan.layout.ingested.path).glob("*.png")}
    assert {image.media_id for image in catalog.page(limit=10_000)} == kept
    assert set(acknowledged) <= kept
    assert acknowledged
    catalog.close()
