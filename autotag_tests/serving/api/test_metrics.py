"""Figures for Prometheus: told as things happen, or looked up while it asks; labels are words of ours."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autotag.catalog.protocol import CatalogSize
from autotag.errors import CatalogUnavailableError
from autotag.search.text_vectors import CacheCounts
from autotag.serving.api import metrics as module
from autotag.serving.api.gpu_use import GpuUse
from autotag.serving.api.metrics import Metrics


def figures(metrics: Metrics) -> dict[str, float]:
    """All figures of ours by name and labels, through the text that Prometheus reads."""
    text = metrics.told("text/plain")[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("autotag_")
    }


def test_a_new_registry_has_nothing_to_tell_of_requests() -> None:
    told = figures(Metrics())
    assert told.pop("autotag_requests_in_flight") == told.pop("autotag_requests_turned_away_total") == 0
    assert told == dict.fromkeys(
        (f"autotag_ingested_images_total[('outcome', '{each}')]" for each in module.OUTCOMES), 0.0
    )


def test_a_replica_names_itself_with_every_figure() -> None:
    metrics = Metrics()
    metrics.replica = "Api#1"
    metrics.stage("search", 0.003)
    metrics.watch_catalog(lambda: CatalogSize(3, 4, 7))
    told = figures(metrics)
    assert told["autotag_stage_seconds_sum[('replica', 'Api#1'), ('stage', 'search')]"] == 0.003
    assert told["autotag_catalog_images[('replica', 'Api#1')]"] == 3
    assert all("('replica', 'Api#1')" in name for name in told)
    assert "('replica'" not in str(figures(Metrics()))


def test_what_happens_is_counted() -> None:
    metrics = Metrics()
    metrics.request("/search/text", "GET", 200, 0.004)
    metrics.request("/search/text", "SPY", 405, 0.1)
    metrics.stage("search", 0.003)
    metrics.batch("texts", 5, 0.02)
    metrics.model_load("embedder", 1.5)
    metrics.ingested("added")
    metrics.entered()
    metrics.turned_away()
    told = figures(metrics)
    assert (
        told["autotag_requests_total[('method', 'GET'), ('route', '/search/text'), ('status', '200')]"] == 1
    )
    assert (
        told["autotag_requests_total[('method', 'other'), ('route', '/search/text'), ('status', '405')]"] == 1
    )
    assert (
        told["autotag_request_seconds_bucket[('le', '0.005'), ('method', 'GET'), ('route', '/search/text')]"]
        == 1
    )
    assert (
        told["autotag_request_seconds_bucket[('le', '0.002'), ('method', 'GET'), ('route', '/search/text')]"]
        == 0
    )
    assert told["autotag_stage_seconds_sum[('stage', 'search')]"] == 0.003
    assert told["autotag_batch_size_sum[('model', 'texts')]"] == 5
    assert told["autotag_batch_seconds_count[('model', 'texts')]"] == 1
    assert told["autotag_model_load_seconds[('model', 'embedder')]"] == 1.5
    assert told["autotag_ingested_images_total[('outcome', 'added')]"] == 1
    assert told["autotag_requests_in_flight"] == 1
    assert told["autotag_requests_turned_away_total"] == 1


def test_cache_and_queues_are_looked_up_while_prometheus_asks() -> None:
    metrics = Metrics()
    counts, waiting = [CacheCounts(3, 1, 1)], {"texts": 4, "uploads": 0}
    metrics.watch_text_cache(lambda: counts[0])
    metrics.watch_queues(lambda: waiting)
    told = figures(metrics)
    assert (told["autotag_text_cache_hits_total"], told["autotag_text_cache_misses_total"]) == (3, 1)
    assert told["autotag_text_cache_entries"] == 1
    assert told["autotag_queue_waiting[('queue', 'texts')]"] == 4
    counts[0] = CacheCounts(9, 2, 2)
    assert figures(metrics)["autotag_text_cache_hits_total"] == 9


def test_the_size_of_the_catalog_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [CatalogSize(2, 5, 1), CatalogSize(3, 6, 1)]
    metrics = Metrics()
    metrics.watch_catalog(lambda: sizes.pop(0))
    assert figures(metrics)["autotag_catalog_images"] == 2
    assert figures(metrics)["autotag_catalog_objects"] == 5
    monkeypatch.setattr(module, "CATALOG_REMEMBERED_S", 0.0)
    assert figures(metrics)["autotag_catalog_images"] == 3


def test_a_catalog_that_does_not_answer_is_a_figure_and_no_failed_scrape() -> None:
    def size() -> CatalogSize:
        raise CatalogUnavailableError("gone")

    metrics = Metrics()
    metrics.watch_catalog(size)
    told = figures(metrics)
    assert told["autotag_catalog_up"] == 0
    assert "autotag_catalog_images" not in told


def test_gpus_are_told_of_where_there_are_any() -> None:
    metrics = Metrics()
    metrics.watch_gpus(lambda: [GpuUse(0, 10, 100, 0.5), GpuUse(1, 20, 100, None)])
    told = figures(metrics)
    assert told["autotag_gpu_busy_ratio[('gpu', '0')]"] == 0.5
    assert told["autotag_gpu_memory_used_bytes[('gpu', '1')]"] == 20
    assert "autotag_gpu_busy_ratio[('gpu', '1')]" not in told


def test_two_services_in_one_process_do_not_mix() -> None:
    one, two = Metrics(), Metrics()
    one.ingested("added")
    assert figures(two)["autotag_ingested_images_total[('outcome', 'added')]"] == 0


def test_openmetrics_is_spoken_to_those_who_ask() -> None:
    body, content_type = Metrics().told("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_memory_of_the_process_is_among_the_figures() -> None:
    text = Metrics().told("")[0].decode()
    told = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.M)
    assert told
    assert float(told[1]) > 1e6
