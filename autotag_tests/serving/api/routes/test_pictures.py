import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import UnwritableRootError
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api import served_pictures
from autotag.serving.api.routes.pictures import MADE_AT_ONCE
from autotag.serving.api.served_pictures import ServedPictures
from autotag.serving.api.service import SearchService
from autotag_tests.conftest import Folders, encoded, picture, snapshot
from autotag_tests.pipeline.target_steps import process
from autotag_tests.serving.api.catalogued import catalogued

RED, SIDE_PX = (220, 20, 20), 900


def large(red_xyxy_px: tuple[int, int, int, int] = (100, 200, 400, 600)) -> bytes:
    """A large grey picture with a red box."""
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 128, np.uint8)
    x0, y0, x1, y1 = red_xyxy_px
    pixels[y0:y1, x0:x1] = RED
    return encoded(pixels)


@pytest.fixture
def image(service: SearchService, folders: Folders) -> CatalogImage:
    """In a folder of the user."""
    return catalogued(service, folders, "trip", {"a.png": large()})[0]


def opened(data: bytes) -> Image.Image:
    shown = Image.open(io.BytesIO(data))
    assert shown.format == "JPEG"
    return shown.convert("RGB")


def test_a_thumbnail_is_the_whole_image_small(client: TestClient, image: CatalogImage) -> None:
    shown = opened(client.get(f"/images/{image.image_id}/thumbnail").content)
    assert shown.size == (512, 512)
    assert shown.getpixel((140, 230))[0] > 200


def test_a_crop_shows_the_object_and_nothing_else(client: TestClient, image: CatalogImage) -> None:
    (found,) = image.objects
    x0, y0, x1, y1 = found.box_xyxy_px
    answer = client.get(f"/images/{image.image_id}/crops/{found.region_index}", params={"long_edge_px": 200})
    shown = opened(answer.content)
    assert shown.size == (round(200 * (x1 - x0) / (y1 - y0)), 200)
    pixels = np.asarray(shown)[8:-8, 8:-8].reshape(-1, 3).astype(int)
    assert np.abs(pixels - RED).max() < 20


def test_region_0_is_the_whole_image_and_nothing_is_enlarged(client: TestClient, image: CatalogImage) -> None:
    answer = client.get(f"/images/{image.image_id}/crops/0", params={"long_edge_px": 4096})
    assert opened(answer.content).size == (SIDE_PX, SIDE_PX)


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("crops/7", 404),
        ("crops/-1", 422),
        ("crops/one", 422),
        ("crops/99999999999999999999", 422),
        ("crops/1?long_edge_px=1", 422),
        ("crops/1?long_edge_px=100000", 422),
        ("crops/1?long_edge_px=x", 422),
    ],
)
def test_what_is_no_region_or_size_is_refused(
    client: TestClient, image: CatalogImage, rest: str, status: int
) -> None:
    assert client.get(f"/images/{image.image_id}/{rest}").status_code == status


def test_a_client_that_has_the_picture_is_told_so(client: TestClient, image: CatalogImage) -> None:
    for address in (f"/images/{image.image_id}/thumbnail", f"/images/{image.image_id}/crops/1"):
        first = client.get(address)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        again = client.get(address, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_picture_of_a_file_that_changed_or_went_is_not_shown(
    client: TestClient, image: CatalogImage, tmp_path: Path
) -> None:
    path = tmp_path / "data/target/trip/a.png"
    path.write_bytes(large((0, 0, 50, 50)))
    for change in ("changed", "went"):
        answer = client.get(f"/images/{image.image_id}/thumbnail")
        assert answer.status_code == 404, change
        assert "no picture now" in answer.json()["detail"]
        assert str(tmp_path) not in answer.text
        path.unlink(missing_ok=True)


def test_looking_writes_nothing_among_folders_and_results(
    client: TestClient, image: CatalogImage, tmp_path: Path
) -> None:
    before = snapshot(tmp_path / "data/target")
    client.get(f"/images/{image.image_id}/thumbnail")
    client.get(f"/images/{image.image_id}/crops/1")
    assert snapshot(tmp_path / "data/target") == before
    assert not (tmp_path / "data/target_processed").exists()


def test_the_thumbnail_of_a_folder_is_used_where_there_is_one(
    client: TestClient, service: SearchService, image: CatalogImage
) -> None:
    place = service.plan.layout.folder_tables("trip").thumbnail(image.media_id, 512)
    place.parent.mkdir(parents=True)
    place.write_bytes(made := encoded(np.zeros((4, 4, 3), np.uint8), "JPEG"))
    assert client.get(f"/images/{image.image_id}/thumbnail").content == made


def test_the_thumbnail_of_an_ingested_image_is_made_once(client: TestClient, service: SearchService) -> None:
    told = client.post("/ingest/image", files={"file": ("x", large())}).json()
    first = client.get(told["thumbnail"]).content
    assert service.plan.layout.ingested_thumbnail(told["media_id"], 512).read_bytes() == first
    (service.plan.layout.ingested / f"{told['media_id']}.png").unlink()
    assert client.get(told["thumbnail"]).content == first
    assert opened(first).size == (512, 512)


def test_a_crop_of_an_ingested_image(client: TestClient) -> None:
    told = client.post("/ingest/image", files={"file": ("x", picture(1))}).json()
    crop = client.get(told["link"]).json()["objects"][0]["crop"]
    assert client.get(crop).headers["content-type"] == "image/jpeg"


def test_a_folder_made_by_the_pipeline_is_shown(
    client: TestClient, service: SearchService, folders: Folders, plan: PipelinePlan
) -> None:
    from autotag.pipeline.catalog_folder import catalog_folder

    folders.simple("trip [2024], ä", 2)
    key = "trip %5B2024%5D%2C ä"
    process(plan, key)
    catalog_folder(service.plan, key, service.catalog)
    for image in service.catalog.page():
        assert client.get(f"/images/{image.image_id}/thumbnail").status_code == 200
        assert client.get(f"/images/{image.image_id}/crops/1").status_code == 200


def test_a_thumbnail_that_cannot_be_kept_is_shown_all_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise UnwritableRootError("no space left")

    told = client.post("/ingest/image", files={"file": ("x", large())}).json()
    monkeypatch.setattr(served_pictures, "write_bytes", full)
    assert opened(client.get(told["thumbnail"]).content).size == (512, 512)


def test_an_image_that_is_deleted_while_its_thumbnail_is_made_leaves_none(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = client.post("/ingest/image", files={"file": ("x", large())}).json()
    image = service.catalog_image(told["image_id"])
    made = ServedPictures.crop

    def slowly(self: ServedPictures, *what: Any) -> bytes:
        picture = made(self, *what)
        assert service.ingest.remove(image)
        return picture

    monkeypatch.setattr(ServedPictures, "crop", slowly)
    assert client.get(told["thumbnail"]).status_code == 200
    assert not service.plan.layout.ingested_thumbnail(told["media_id"], 512).exists()


def test_searches_do_not_wait_behind_pictures(narrow: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, making = Event(), []

    def slowly(self: ServedPictures, *_: Any) -> bytes:
        making.append(1)
        assert may_go_on.wait(30)
        return b"jpeg"

    told = narrow.post("/ingest/image", files={"file": ("x", large())}).json()
    monkeypatch.setattr(ServedPictures, "crop", slowly)
    with ThreadPoolExecutor(9) as clients:
        pictures = [clients.submit(narrow.get, told["thumbnail"]) for _ in range(8)]
        search = clients.submit(narrow.get, "/search/text", params={"q": "red", "min_score": -1})
        try:
            assert search.result(10).status_code == 200
            assert len(making) <= MADE_AT_ONCE
        finally:
            may_go_on.set()
        assert {each.result(30).content for each in pictures} == {b"jpeg"}
