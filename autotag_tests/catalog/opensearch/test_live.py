"""The same contract on a real server: `AUTOTAG_TEST_OPENSEARCH_URL=http://localhost:9200 pytest -m opensearch`.

Each test makes an index under an alias of its own and takes it away again.
"""

import os
import uuid
from collections.abc import Iterator

import pytest

from autotag.catalog.opensearch.calls import connect
from autotag.catalog.opensearch.indices import pipeline_name
from autotag.catalog.opensearch.rebuilding import rebuild
from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.domain.catalog_filters import CatalogFilter
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.contract import CatalogContract
from autotag_tests.catalog.made_entries import (
    DIM,
    EAST,
    MODEL,
    an_image,
    everything,
    files,
    many_images,
    towards,
)

_VARIABLE = "AUTOTAG_TEST_OPENSEARCH_URL"
_URL = os.environ.get(_VARIABLE, "")

if not _URL:
    pytest.skip(
        f"{_VARIABLE} names no OpenSearch server to run the catalog's contract on", allow_module_level=True
    )

pytestmark = [pytest.mark.opensearch, pytest.mark.slow]


@pytest.fixture
def section() -> Iterator[CatalogSettings]:
    alias = f"autotag-test-{uuid.uuid4().hex[:12]}"
    yield CatalogSettings(backend="opensearch", url=_URL, alias=alias, shards=2, replicas=0, timeout_s=30)
    gone = {"ignore": 404}
    client = connect(_URL, 30).client
    client.indices.delete(index=f"{alias}.*", params=gone)
    client.indices.delete_index_template(name=alias, params=gone)
    client.search_pipeline.delete(id=pipeline_name(alias), params=gone)
    client.close()


@pytest.fixture
def catalog(section: CatalogSettings) -> Iterator[OpenSearchCatalog]:
    opened = open_opensearch(section, MODEL, DIM)
    yield opened
    opened.close()


class TestLiveOpenSearch(CatalogContract):
    """On the server that the variable names."""

    def test_words_and_vectors_together(self, catalog: OpenSearchCatalog) -> None:
        catalog.upsert(
            [
                an_image("near", embedding=towards(10)),
                an_image("near and named", embedding=towards(12), tags=["beach"]),
                an_image("far", embedding=towards(90), tags=["car"]),
            ]
        )
        assert files(catalog.search_words(EAST, "beach", 3))[0] == "near and named"
        assert files(catalog.search_words(EAST, "beach", 3, CatalogFilter(tags=("car",)))) == ["far"]

    def test_a_rebuild_keeps_everything(self, section: CatalogSettings, catalog: OpenSearchCatalog) -> None:
        catalog.upsert(many_images(30))
        before = everything(catalog)
        rebuild(section, MODEL, DIM, [before])
        assert everything(catalog) == before

    def test_a_graph_answers_like_the_exact_search(self, section: CatalogSettings) -> None:
        """From the first vector on there is a graph: the other tests are too small for one."""
        catalog = open_opensearch(section.model_copy(update={"index_from": 256}), MODEL, DIM)
        catalog.upsert(many_images(1500, objects=2))
        rare = CatalogFilter(tags=("rare",))
        assert len(catalog.search(EAST, 150, "image", rare)) == 150
        assert len(catalog.search(EAST, 300, "object", rare)) == 300
