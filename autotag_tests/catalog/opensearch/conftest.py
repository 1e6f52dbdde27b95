"""A double for each test, and a catalog on it."""

from collections.abc import Iterator

import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, MODEL
from autotag_tests.catalog.opensearch_double import OpenSearchDouble


@pytest.fixture
def double() -> Iterator[OpenSearchDouble]:
    with OpenSearchDouble() as running:
        yield running


@pytest.fixture
def section(double: OpenSearchDouble) -> CatalogSettings:
    """Settings of a catalog on the double."""
    return CatalogSettings(backend="opensearch", url=double.url, timeout_s=5)


@pytest.fixture
def catalog(section: CatalogSettings) -> Iterator[OpenSearchCatalog]:
    opened = open_opensearch(section, MODEL, DIM)
    yield opened
    opened.close()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
