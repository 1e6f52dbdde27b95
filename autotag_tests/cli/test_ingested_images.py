"""Images that came in through the API, as the commands over folders meet them: found and shown, never thrown out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotag.domain.catalog_entries import CatalogImage
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.service import SearchService, open_service
from autotag.settings import Settings
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process

Autotag = Callable[..., Said]


@pytest.fixture
def service(settings: Settings) -> Iterator[SearchService]:
    opened = open_service(settings)
    yield opened
    opened.close(5.0)


@pytest.fixture
def ingested(service: SearchService) -> CatalogImage:
    """A red picture."""
    return service.ingest.ingest(coloured("red", 1), ["mine"]).image


def test_a_search_finds_it_and_its_page_shows_it(
    autotag: Autotag, ingested: CatalogImage, tmp_path: Path
) -> None:
    page = tmp_path / "hits.html"
    told = autotag("search", "red", "--over", "catalog", "--min-score", "-1", "--html", str(page), "--json")
    (hit,) = told.json["hits"]
    assert (hit["image_id"], hit["folder"], hit["tags"]) == (ingested.image_id, ".ingested", ["mine"])
    assert page.read_text().count("data:image/jpeg;base64,") == 1
    (hit,) = autotag("search", "--over", "catalog", "--folder", ".ingested", "--json").json["hits"]
    assert hit["image_id"] == ingested.image_id


def test_forgetting_a_folder_of_its_name_leaves_it(
    autotag: Autotag, ingested: CatalogImage, service: SearchService
) -> None:
    told = autotag("catalog", "forget", "--folder", ".ingested", "--json")
    assert told.json["forgotten"] == 0
    assert service.catalog.get([ingested.image_id]) == [ingested]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is currently in beta")
def test_bringing_all_folders_in_and_forgetting_those_that_are_gone_leaves_it(
    autotag: Autotag, ingested: CatalogImage, service: SearchService, plan: PipelinePlan, folders: Folders
) -> None:
    for key in ("birds", "trip"):
        folders.simple(key, 2)
        process(plan, key)
    assert autotag("catalog", "--all").code == 0
    assert service.catalog.count() == 5
    for path in folders.make("trip", {}).iterdir():
        path.unlink()
    (folders.data / "target" / "trip").rmdir()
    assert autotag("catalog", "--all").code == 0
    assert service.catalog.count() == 3
    assert service.catalog.get([ingested.image_id]) == [ingested]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is currently in beta")
def test_a_folder_of_its_name_below_the_root_is_catalogued_beside_it(
    autotag: Autotag, ingested: CatalogImage, service: SearchService, plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple(".ingested", 2)
    process(plan, "%2Eingested")
    assert autotag("catalog", "--folder", ".ingested").code == 0
    assert service.catalog.count() == 3
    assert autotag("catalog", "forget", "--folder", ".ingested", "--json").json["forgotten"] == 2
    assert service.catalog.get([ingested.image_id]) == [ingested]
