"""Health, readiness, figures: for those who watch the service."""

import pytest
from fastapi.testclient import TestClient

from autotag import __version__
from autotag.errors import CatalogUnavailableError, MissingWeightsError
from autotag.serving.api.service import SearchService


def test_alive_is_alive_whatever_is_missing(client: TestClient, service: SearchService) -> None:
    service.close(5)
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_it_is_ready_once_it_is_warm_and_says_what_is_missing_when_the_catalog_goes(
    client: TestClient,
    service: SearchService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.warm_up()
    answer = client.get("/readyz")
    assert answer.json() == {"status": "ready", "model_id": service.plan.model_id}

    def gone(*_: object) -> None:
        raise CatalogUnavailableError("connection refused at 10.0.0.7:9200, /srv/secret/catalog")

    with monkeypatch.context() as patch:
        patch.setattr(service.catalog, "get", gone)
        answer = [client.get("/readyz") for _ in range(2)][-1]
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["the catalog does not answer (CatalogUnavailableError); see the log"]
    assert "10.0.0.7" not in answer.text
    assert "secret" not in answer.text
    assert caplog.text.count("/srv/secret/catalog") == 1
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


def test_weights_that_are_missing_are_told_without_their_place(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingWeightsError("the detector", "/srv/secret/models", "fetch it")

    monkeypatch.setattr(service.models, "warm_up", missing)
    with pytest.raises(MissingWeightsError):
        service.warm_up()
    answer = client.get("/readyz")
    assert answer.json()["missing"] == ["warming up failed (MissingWeightsError); see the log"]
    assert "secret" not in answer.text
