"""A cluster that is slow, away, refusing or something else."""

import time

import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.errors import CatalogUnavailableError, PermanentError, SettingsError
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, EAST, MODEL, an_image
from autotag_tests.catalog.opensearch_double import OpenSearchDouble


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_that_is_put_off_is_asked_again(
    catalog: OpenSearchCatalog, double: OpenSearchDouble, status: int
) -> None:
    catalog.upsert([an_image()])
    double.answers.extend([status, status])
    assert catalog.count() == 1


def test_a_lost_connection_is_tried_again(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    double.lost_requests = 2
    assert catalog.count() == 0


@pytest.mark.usefixtures("no_waiting")
def test_a_cluster_that_stays_busy_is_unavailable(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.answers.extend([503] * 3)
    with pytest.raises(CatalogUnavailableError, match=r"cannot answer now \(503\); try again"):
        catalog.search(EAST, 5)
    assert catalog.search(EAST, 5) == []


def test_a_slow_answer_is_not_waited_for_longer_than_the_settings_say(double: OpenSearchDouble) -> None:
    section = CatalogSettings(url=double.url, timeout_s=0.3)
    catalog = open_opensearch(section, MODEL, DIM)
    double.delay_s = 1.5
    start = time.monotonic()
    with pytest.raises(CatalogUnavailableError, match="does not answer"):
        catalog.count()
    assert time.monotonic() - start < 1.2
    double.delay_s = 0
    assert catalog.count() == 0


@pytest.mark.usefixtures("no_waiting")
def test_a_cluster_that_goes_away_is_found_again_when_it_is_back() -> None:
    with OpenSearchDouble() as double:
        catalog = open_opensearch(CatalogSettings(url=double.url, timeout_s=2), MODEL, DIM)
        catalog.upsert([an_image()])
        double.lost_requests = 10**6
        for ask in (
            catalog.count,
            catalog.size,
            lambda: catalog.search(EAST, 1),
            lambda: catalog.upsert([an_image()]),
        ):
            with pytest.raises(CatalogUnavailableError):
                ask()
        double.lost_requests = 0
        assert catalog.count() == 1
    with pytest.raises(CatalogUnavailableError, match="does not answer"):
        catalog.count()


def test_half_of_the_shards_are_not_taken_for_the_catalog(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert([an_image()])
    double.failed_shards = 1
    for ask in (catalog.count, catalog.tags, lambda: catalog.search(EAST, 1)):
        with pytest.raises(CatalogUnavailableError, match="shards"):
            ask()


def test_searches_ask_for_all_shards_or_none(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    catalog.search(EAST, 1)
    catalog.page()
    ((head, _, _, _),) = double.bodies("/_msearch")
    assert head == {"index": "autotag", "allow_partial_search_results": False}
    (params,) = [params for _, path, params, _ in double.requests if path == "/autotag/_search"]
    assert params == {"allow_partial_search_results": "false"}


def test_a_user_that_is_refused_is_told_without_the_password() -> None:
    with OpenSearchDouble(password="right") as double:
        assert open_opensearch(CatalogSettings(url=double.url), MODEL, DIM).count() == 0
        wrong = double.url.replace("right", "S3cret")
        with pytest.raises(SettingsError, match=r"refuses the user \(401\); check the name") as told:
            open_opensearch(CatalogSettings(url=wrong), MODEL, DIM)
        assert "S3cret" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:9200", "ftp://host", "http://", "http://[bad", "http://host:abc", "http://host:99999"],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="write it like"):
        open_opensearch(CatalogSettings(url=url), MODEL, DIM)


def test_a_request_that_the_server_does_not_know_is_not_asked_again(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.answers.append(400)
    with pytest.raises(PermanentError, match=r"refused a request \(400\): told to answer this"):
        catalog.count()


def test_the_package_is_loaded_when_a_catalog_is_opened_not_before() -> None:
    import subprocess
    import sys

    code = "import sys, autotag.catalog.opensearch.store; print('opensearchpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
