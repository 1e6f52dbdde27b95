"""The API on a Ray cluster of two nodes: requests flow, also while replicas and a node die."""

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from autotag.catalog.open import open_catalog
from autotag.domain.catalog_entries import INGESTED_KEY
from autotag.models.fakes import DIM
from autotag.pipeline.plan import plan_of
from autotag.settings import Settings
from autotag_tests.conftest import SETTINGS_TOML, picture
from autotag_tests.serving.api.ray_nodes import Load, TwoNodes, replicas, serve_run, two_nodes, wait_for

TWO_OF_EACH = """
[ray]
cpus_per_actor = 0.5
gpus_per_actor = 0.25
[serve]
min_replicas = 2
max_replicas = 2
"""
REPOSITORY = Path(__file__).parents[3]
DEPLOYMENTS = ("Api", "QueryModel", "UploadModels")

pytestmark = pytest.mark.slow


@dataclass
class Served:
    nodes: TwoNodes
    url: str
    settings: Settings


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from ray import serve

    file = tmp_path_factory.mktemp("served") / "autotag.toml"
    file.write_text(SETTINGS_TOML + TWO_OF_EACH, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with two_nodes() as nodes:
        # The port that proxies listen on is the cluster's; `serve run` takes what is there.
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        with serve_run(file, nodes.cluster.address, f"http://127.0.0.1:{port}/readyz"):
            yield Served(nodes, f"http://127.0.0.1:{port}", Settings.load(file))
        serve.shutdown()


def ingest_then_search(client: httpx.Client, number: int) -> httpx.Response:
    """Every fourth request brings an image."""
    if number % 4 == 0:
        return client.post("/ingest/image", files={"file": picture(number)}, data={"tags": "sent"})
    return client.get("/search/text", params={"q": ("red", "blue", "green")[number % 3], "min_score": -1})


def catalogued(served: Served) -> set[str]:
    """Ids of the ingested images, as somebody reads them who has not looked before."""
    plan = plan_of(served.settings)
    catalog = open_catalog(served.settings, plan.layout, plan.model_id, DIM, create=False)
    try:
        return set(catalog.ids_in(INGESTED_KEY))
    finally:
        catalog.close()


def test_an_image_that_comes_in_is_found_and_every_replica_holds_its_part_of_a_gpu(served: Served) -> None:
    import ray

    answer = httpx.post(f"{served.url}/ingest/image", files={"file": picture(3)}, timeout=60)
    assert answer.status_code == 201, answer.text
    sent = answer.json()["image_id"]

    def is_found() -> bool:
        """By whichever replica answers: one that did not write it sees it a moment later."""
        asked = {"q": "yellow", "min_score": -1}
        found = httpx.get(f"{served.url}/search/text", params=asked, timeout=60).json()
        return sent in [each["image_id"] for each in found["hits"]]

    wait_for(is_found)
    assert {name: len(replicas(name)) for name in DEPLOYMENTS} == dict.fromkeys(DEPLOYMENTS, 2)
    held = ray.cluster_resources()["GPU"] - ray.available_resources()["GPU"]
    assert held == pytest.approx(4 * 0.25)


def test_errors_come_through_as_problems(served: Served) -> None:
    no_image = httpx.post(f"{served.url}/ingest/image", files={"file": b"no image"}, timeout=60)
    assert (no_image.status_code, no_image.headers["content-type"]) == (415, "application/problem+json")
    wrong_box = {"box_xyxy_px": "[50, 5, 20, 2]"}
    no_box = httpx.post(f"{served.url}/search/similar", files={"file": picture()}, data=wrong_box, timeout=60)
    assert (no_box.status_code, no_box.headers["content-type"]) == (422, "application/problem+json"), (
        no_box.text
    )


def test_a_replica_names_itself_and_ray_tells_what_the_docs_name(served: Served) -> None:
    import ray

    text = httpx.get(f"{served.url}/metrics", timeout=60).text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    assert len({each.labels["replica"] for each in samples}) == 1
    named = re.findall(r"`(ray_serve_\w+)`", (REPOSITORY / "docs/performance.md").read_text(encoding="utf-8"))
    assert len(named) > 3

    def all_are_told() -> bool:
        ports = [node["MetricsExportPort"] for node in ray.nodes() if node["Alive"]]
        told = "".join(httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text for port in ports)
        return all(f"\n{name}" in told for name in named)

    wait_for(all_are_told)


def test_replicas_that_are_killed_under_load_cost_no_request_and_come_back(served: Served) -> None:
    before = {name: replicas(name) for name in DEPLOYMENTS}
    with Load(ingest_then_search).running(served.url, clients=6) as load:
        load.go_on(30)
        for processes in before.values():
            next(iter(processes.values())).kill()
        wait_for(lambda: are_back(before))
        load.go_on(30)
    assert load.failed == []


def test_a_node_that_dies_under_load_costs_no_request_and_no_acknowledged_image(served: Served) -> None:
    acknowledged: set[str] = set()

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        answer = ingest_then_search(client, 10_000 + number)
        if answer.request.method == "POST" and answer.is_success:
            acknowledged.add(answer.json()["image_id"])
        return answer

    before = {name: replicas(name) for name in DEPLOYMENTS}
    with Load(ask).running(served.url, clients=6) as load:
        load.go_on(30)
        served.nodes.kill_second()
        wait_for(lambda: are_back(before))
        load.go_on(60)
    assert load.failed == []
    assert len(acknowledged) > 5
    assert acknowledged <= catalogued(served)


def are_back(before: Mapping[str, Mapping[int, object]]) -> bool:
    """Whether all deployments have two replicas again, and not all are the same."""
    now = {name: replicas(name).keys() for name in before}
    return all(len(each) == 2 for each in now.values()) and any(
        now[name] != before[name].keys() for name in now
    )
