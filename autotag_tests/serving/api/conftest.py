"""A service over the fake models and a catalog of its own, and a client of its API."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from autotag.serving.api.app import create_app
from autotag.serving.api.service import SearchService, open_service
from autotag.settings import Settings


@pytest.fixture
def service(settings: Settings) -> Iterator[SearchService]:
    """Open, and not warm."""
    opened = open_service(settings)
    yield opened
    opened.close(5.0)


@pytest.fixture
def client(service: SearchService) -> Iterator[TestClient]:
    """Of an application that is up."""
    with TestClient(create_app(service), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def narrow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Of an application whose handlers have two threads."""
    monkeypatch.setattr("autotag.serving.api.app.THREADS_A_CORE", 0)
    serve = settings.serve.model_copy(update={"batch": 2})
    few = open_service(settings.model_copy(update={"serve": serve}))
    with TestClient(create_app(few), raise_server_exceptions=False) as opened:
        yield opened
