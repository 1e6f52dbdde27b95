"""What the catalog holds, over HTTP: images, their list, tags."""

from datetime import datetime

import pytest
from starlette.testclient import TestClient

from autotag.domain.catalog_entries import CatalogImage
from autotag.serving.api.service import SearchService
from autotag_tests.conftest import Folders
from autotag_tests.serving.api.catalogued import catalogued, colours


@pytest.fixture
def images(service: SearchService, folders: Folders) -> list[CatalogImage]:
    """Five images in a folder whose name needs escaping, two tagged ones in another."""
    strange = catalogued(service, folders, "tr%2Cip", colours(5))
    return [
        *strange,
        *catalogued(service, folders, "b", {"z.png": colours(1)["red0.png"]}, tags=("é", "two words")),
    ]


def test_an_image_is_told_with_its_objects_and_where_its_pictures_are(
    client: TestClient, images: list[CatalogImage]
) -> None:
    image = images[0]
    answer = client.get(f"/images/{image.image_id}")
    assert answer.status_code == 200
    facts = answer.json()
    assert (facts["image_id"], facts["media_id"]) == (image.image_id, image.media_id)
    assert (facts["folder"], facts["file"]) == ("tr,ip", "red0.png")
    assert (facts["width"], facts["height"], facts["tags"]) == (64, 64, [])
    assert datetime.fromisoformat(facts["added_at"]) == image.added_at
    assert facts["taken_at"] is None
    (found,) = facts["objects"]
    assert (found["class_name"], tuple(found["box_xyxy_px"])) == ("red", image.objects[0].box_xyxy_px)
    assert found["crop"] == f"/images/{image.image_id}/crops/1"
    assert facts["thumbnail"] == f"/images/{image.image_id}/thumbnail"


@pytest.mark.parametrize(
    "name",
    ["0" * 32, "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..", "a%00b", "x" * 1001, "%ff", "'%20OR%201=1"],
)
def test_an_id_that_is_none_is_not_found(client: TestClient, images: list[CatalogImage], name: str) -> None:
    answer = client.get(f"/images/{name}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "root:" not in answer.text


def test_the_list_goes_from_the_newest_to_the_oldest_page_after_page(
    client: TestClient, images: list[CatalogImage]
) -> None:
    seen: list[dict] = []
    after = ""
    while True:
        answer = client.get("/images", params={"limit": 2, "after": after}).json()
        assert len(answer["hits"]) <= 2
        seen += answer["hits"]
        after = answer["next"]
        if not after:
            break
    assert sorted(hit["image_id"] for hit in seen) == sorted(image.image_id for image in images)
    dates = [hit["added_at"] for hit in seen]
    assert dates == sorted(dates, reverse=True)
    assert all(hit["score"] is None and hit["regions"] == [] for hit in seen)


def test_the_list_is_filtered(client: TestClient, images: list[CatalogImage]) -> None:
    def listed(**params: object) -> list[str]:
        return [hit["file"] for hit in client.get("/images", params=params).json()["hits"]]

    assert listed(folder="tr,ip", classes="blue") == ["blue2.png"]
    assert listed(tags=["é", "two words"]) == ["z.png"]
    assert listed(since="2024-01-05") == ["red4.png"]
    assert listed(folder="nowhere") == []


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 10**9}, {"limit": 1001}, {"limit": "x"}, {"after": "x"}, {"k": 1}]
)
def test_a_list_that_cannot_be_is_refused(client: TestClient, params: dict) -> None:
    answer = client.get("/images", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_tags_are_counted_the_most_frequent_first(
    client: TestClient, service: SearchService, images: list[CatalogImage], folders: Folders
) -> None:
    catalogued(service, folders, "c", {"y.png": colours(2)["green1.png"]}, tags=("two words",))
    answer = client.get("/tags")
    assert answer.json()["tags"] == [{"tag": "two words", "images": 2}, {"tag": "é", "images": 1}]
    assert client.get("/tags", params={"limit": 1}).json()["tags"] == [{"tag": "two words", "images": 2}]
    assert client.get("/tags", params={"folder": "c"}).json()["tags"] == [{"tag": "two words", "images": 1}]
    assert client.get("/tags", params={"tags": "nobody has it"}).json()["tags"] == []
