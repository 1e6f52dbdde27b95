"""Health, readiness, figures: for those who watch the service."""

import pytest
from fastapi.testclient import TestClient

from autotag import __version__
from autotag.errors import CatalogUnavailableError
from autotag.serving.api.service import SearchService


def test_alive_is_alive_whatever_is_missing(client: TestClient, service: SearchService) -> None:
    service.close(5)
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_it_is_ready_once_it_is_warm_and_says_what_is_missing_when_the_catalog_goes(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.warm_up()
    answer = client.get("/readyz")
    assert answer.json() == {"status": "ready", "model_id": service.plan.model_id}

    def gone(*_: object) -> None:
        raise CatalogUnavailableError("the catalog's store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(service.catalog, "get", gone)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["the catalog's store does not answer"]
    assert answer.headers["retry-after"] == "5"
    assert client.get("/readyz").status_code == 200


def test_figures_tell_of_requests_cache_queues_and_catalog(client: TestClient) -> None:
    client.get("/search/text?q=red")
    client.get("/search/text?q=red")
    text = client.get("/metrics").text
    assert 'autotag_requests_total{method="GET",route="/search/text",status="200"} 2.0' in text
    assert "autotag_text_cache_hits_total 1.0" in text
    assert 'autotag_queue_waiting{queue="texts"} 0.0' in text
    assert "autotag_catalog_images 0.0" in text
    assert "autotag_catalog_up 1.0" in text


def test_templates_of_routes_are_told_and_never_what_was_asked(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/images/{number:032d}")
        client.get(f"/images/{number:032d}/thumbnail")
        client.get(f"/{number}")
    text = client.get("/metrics").text
    assert 'autotag_requests_total{method="GET",route="/images/{image_id}",status="404"} 5.0' in text
    assert (
        'autotag_requests_total{method="GET",route="/images/{image_id}/thumbnail",status="404"} 5.0' in text
    )
    assert 'autotag_requests_total{method="GET",route="",status="404"} 5.0' in text
    assert "00000000004" not in text
