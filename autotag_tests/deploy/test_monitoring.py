"""Prometheus and Grafana: configurations hold, and every figure they ask for is one that the API tells."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autotag.catalog.protocol import CatalogSize
from autotag.search.text_vectors import CacheCounts
from autotag.serving.api.gpu_use import GpuUse
from autotag.serving.api.metrics import Metrics
from autotag_tests.deploy.files import DEPLOY, from_system, read_yaml, run, services

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "autotag.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PROMETHEUS_OWN = {"up"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in read_yaml("alerts.yml")["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [expression.replace("$__rate_interval", "1m") for expression in of_panels] + [
        rule["expr"] for rule in rules()
    ]


def told_names() -> set[str]:
    """Names of all figures of an API where everything that can be told was told once."""
    metrics = Metrics()
    metrics.request("/search/text", "GET", 200, 0.01)
    metrics.entered()
    metrics.turned_away()
    metrics.stage("search", 0.01)
    metrics.batch("texts", 2, 0.01)
    metrics.model_load("embedder", 1.0)
    metrics.ingested("added")
    metrics.watch_text_cache(lambda: CacheCounts(1, 1, 1))
    metrics.watch_queues(lambda: {"texts": 0})
    metrics.watch_catalog(lambda: CatalogSize(1, 1, 1))
    metrics.watch_gpus(lambda: [GpuUse(0, 1, 2, 0.5)])
    text = metrics.told("text/plain")[0].decode()
    return set(re.findall(r"^([a-z_:]+)[ {]", text, re.MULTILINE))


def asked_names(expression: str) -> set[str]:
    """Names of figures in an expression: words that are neither functions nor labels nor in quotes."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|without|on)\s*\([^)]*\)', " ", expression)
    return set(re.findall(r"\b([a-z]+_[a-z_]+|up)\b(?!\s*\()", bare))


@pytest.mark.parametrize("expression", expressions())
def test_every_figure_that_is_asked_for_is_told(expression: str) -> None:
    names = asked_names(expression)
    assert names
    assert names - PROMETHEUS_OWN <= told_names()


def test_every_figure_that_is_told_is_shown() -> None:
    shown = {name for expression in expressions() for name in asked_names(expression)}
    told = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in told_names()
        if name.startswith("autotag_") and not name.endswith("_created")
    }
    assert told <= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


@pytest.mark.parametrize("route", sorted(set(re.findall(r'route="([^"]+)"', " ".join(expressions())))))
def test_routes_that_are_asked_for_are_routes_of_the_api(route: str) -> None:
    from autotag.serving.api.routes.ingest import router as ingest
    from autotag.serving.api.routes.search import router as search

    assert route in {getattr(each, "path", "") for each in [*search.routes, *ingest.routes]}


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    secret = services()["prometheus"]["secrets"][0]
    config = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(
        config.replace(f"/run/secrets/{secret}", str(key)), encoding="utf-8"
    )
    (tmp_path / "alerts.yml").write_text(
        (DEPLOY / "alerts.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    checked = run(from_system("promtool", "prometheus"), "check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert str(key) in (tmp_path / "prometheus.yml").read_text(encoding="utf-8")


def test_alerts_come_when_they_should_and_only_then() -> None:
    cases = Path(__file__).parent / "alert_cases.yml"
    checked = run(from_system("promtool", "prometheus"), "test", "rules", cases)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_case_and_a_sentence() -> None:
    cases = (Path(__file__).parent / "alert_cases.yml").read_text(encoding="utf-8")
    for rule in rules():
        assert cases.count(f"alertname: {rule['alert']}") >= 2, rule["alert"]
        assert rule["annotations"]["summary"].endswith(".")


def test_prometheus_can_read_every_expression(tmp_path: Path) -> None:
    promtool = from_system("promtool", "prometheus")
    recorded = [{"record": f"r{number}", "expr": each} for number, each in enumerate(expressions())]
    file = tmp_path / "expressions.yml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": recorded}]}), encoding="utf-8")
    checked = run(promtool, "check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_scrapes_services_of_the_compose_file() -> None:
    for job in read_yaml("prometheus.yml")["scrape_configs"]:
        for target in job["static_configs"][0]["targets"]:
            host = target.split(":")[0]
            assert host in services() or host == "127.0.0.1"


def test_ray_tells_its_figures_where_they_are_scraped() -> None:
    ray = next(job for job in read_yaml("prometheus.yml")["scrape_configs"] if job["job_name"] == "ray")
    port = ray["static_configs"][0]["targets"][0].split(":")[1]
    assert f"--metrics-export-port={port}" in services()["ray-head"]["command"]


def test_grafana_finds_the_dashboard_and_its_source() -> None:
    source = read_yaml("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]
    folder = read_yaml("grafana/provisioning/dashboards/autotag.yaml")["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{folder}:ro" in services()["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken = [
        (x, y)
        for panel in every
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_each_panel_names_what_it_shows_and_its_unit() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert [target["refId"] for target in panel["targets"]] == sorted(
            {target["refId"] for target in panel["targets"]}
        )
