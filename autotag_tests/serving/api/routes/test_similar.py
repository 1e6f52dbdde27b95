"""Searches by pictures: files, images of the catalog, boxes in both, counter-examples, in JSON and as forms."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from threading import Event

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from autotag.domain.catalog_entries import CatalogImage
from autotag.models.fakes import FakeEmbedder, magic_image
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.problems import ProblemError
from autotag.serving.api.routes import similar
from autotag.serving.api.service import SearchService
from autotag.serving.api.uploads import Upload
from autotag.storage.images import ImageLimits, decode_image
from autotag_tests.conftest import Archive, Folders, bomb, encoded
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.serving.api.catalogued import catalogued, colours

UNKNOWN = "0" * 32


@pytest.fixture
def indexed(plan: PipelinePlan, archive: Archive) -> None:
    """An archive of red and blue pictures, there before the service starts."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")


@pytest.fixture
def images(service: SearchService, folders: Folders) -> list[CatalogImage]:
    """Two of each of four colours."""
    return catalogued(service, folders, "trips", colours(8))


def asked(client: TestClient, **body: object) -> dict:
    answer = client.post("/search/similar", json={"min_score": -1, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def sent(client: TestClient, data: bytes, **fields: object) -> dict:
    answer = client.post("/search/similar", files={"file": ("x", data)}, data={"min_score": "-1", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: TestClient, **body: object) -> tuple[int, str]:
    answer = client.post("/search/similar", json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def files(answer: dict) -> list[str]:
    return [hit["file"] for hit in answer["hits"]]


def test_a_file_finds_itself_and_what_looks_like_it(client: TestClient, images: list[CatalogImage]) -> None:
    answer = sent(client, coloured("red", 0), k=2)
    assert files(answer) == ["red0.png", "red4.png"]
    assert answer["hits"][0]["score"] == pytest.approx(1, abs=1e-3)


def test_an_image_of_the_catalog_finds_others_like_it(client: TestClient, images: list[CatalogImage]) -> None:
    red = images[0]
    assert files(asked(client, image_id=red.image_id, k=1)) == ["red4.png"]
    assert files(asked(client, image_id=red.image_id, k=1, with_itself=True)) == ["red0.png"]
    form = {"image_id": (None, red.image_id), "k": (None, "1"), "min_score": (None, "-1"), "text": (None, "")}
    as_form = client.post("/search/similar", files=form)
    assert files(as_form.json()) == ["red4.png"]


@pytest.mark.parametrize("name", ["date_range", "colour", "image", "file"])
def test_a_form_with_another_field_is_told_the_fields_of_a_form(client: TestClient, name: str) -> None:
    form = {"file": (None, "text")} if name == "file" else {name: (None, "x"), "text": (None, "red")}
    answer = client.post("/search/similar", files=form)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["where"] == f"body.{name}"
    if name == "file":
        assert error["message"] == "send a file here, with a file name"
        return
    known = error["message"].removeprefix("there is no such field here; there are ").split(", ")
    described = client.get("/openapi.json").json()["paths"]["/search/similar"]["post"]["requestBody"]
    form_schema = described["content"]["multipart/form-data"]["schema"]["properties"]
    assert sorted(known) == sorted(form_schema)


def test_an_object_is_asked_for_by_its_number_or_by_its_box(
    client: TestClient, images: list[CatalogImage]
) -> None:
    red = images[0]
    by_number = asked(client, image_id=red.image_id, region_index=1, sought="object")
    by_box = asked(client, image_id=red.image_id, box_xyxy_px=red.objects[0].box_xyxy_px, sought="object")
    assert files(by_number) == files(by_box)
    assert files(by_number)[0] == "red4.png"
    assert all(hit["regions"][0]["region_index"] > 0 for hit in by_number["hits"])


def test_a_box_that_is_no_region_is_cut_from_the_file_and_embedded(
    client: TestClient, service: SearchService, images: list[CatalogImage], folders: Folders
) -> None:
    red = images[0]
    x0, y0, x1, y1 = red.objects[0].box_xyxy_px
    box = (x0 + 1, y0 + 2, x1 - 1, y1 - 2)
    data = (folders.data / "target" / "trips" / red.file).read_bytes()
    pixels = decode_image(data, ImageLimits()).pixels
    cut = FakeEmbedder().embed_images([pixels[box[1] : box[3], box[0] : box[2]]])[0]
    best = max(float(cut @ each.embedding) for each in images[4].objects)
    answer = asked(client, image_id=red.image_id, box_xyxy_px=box, sought="object", k=1)
    assert files(answer) == ["red4.png"]
    assert answer["best_score"] == pytest.approx(best, abs=2e-3)
    of_file = sent(client, data, box_xyxy_px=",".join(map(str, box)), sought="object", with_itself="true")
    assert of_file["hits"][0]["file"] == "red0.png"


def test_words_and_counter_examples_turn_the_search(client: TestClient, images: list[CatalogImage]) -> None:
    red, _, blue = images[:3]
    towards = asked(client, image_id=red.image_id, text="yellow", text_weight=0.9, sought="object")
    assert files(towards)[0].startswith("yellow")
    away = asked(client, text="red blue", unlike=[blue.image_id], unlike_weight=1, sought="object")
    assert files(away)[0].startswith("red")
    assert "blue2.png" not in files(away)
    forms = sent(client, coloured("red", 0), unlike=[images[4].image_id], folder="trips", k=9)
    assert "red4.png" not in files(forms)
    assert len(files(forms)) == 7


def test_filters_hold(client: TestClient, images: list[CatalogImage]) -> None:
    assert asked(client, image_id=images[0].image_id, folder="nowhere")["hits"] == []
    blue = sent(client, coloured("red", 0), classes="blue", since="2024-01-01", until="2025-01-01")
    assert {file[:4] for file in files(blue)} == {"blue"}


@pytest.mark.parametrize(
    "box", [[0, 0, 0, 5], [5, 5, 1, 9], [0, 0, 65, 10], [0, 0, 10, 10**6], [60, 60, 70, 70], [3, 3, 3, 3]]
)
def test_a_box_outside_the_picture_is_refused_with_its_size(
    client: TestClient, images: list[CatalogImage], box: list[int]
) -> None:
    status, detail = refused(client, image_id=images[0].image_id, box_xyxy_px=box)
    assert (status, "64 x 64 pixels" in detail) == (422, True)
    of_file = client.post(
        "/search/similar",
        files={"file": ("x", coloured("red", 0))},
        data={"box_xyxy_px": ",".join(map(str, box))},
    )
    assert of_file.status_code == 422
    assert "64 x 64 pixels" in of_file.json()["detail"]


@pytest.mark.parametrize(
    "box", [[0, 0, 5], [0, 0, 5, 5, 5], [-1, 0, 5, 5], [0, 0, "x", 5], "0,0,5,5", [0, 0, 1.5, 2]]
)
def test_a_box_that_is_none_is_refused(client: TestClient, images: list[CatalogImage], box: object) -> None:
    status, detail = refused(client, image_id=images[0].image_id, box_xyxy_px=box)
    assert (status, "box_xyxy_px" in detail) == (422, True)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "nothing to look for"),
        ({"text": "   "}, "nothing to look for"),
        ({"region_index": 1}, "a part and no picture"),
        ({"box_xyxy_px": [0, 0, 1, 1], "region_index": 1, "image_id": UNKNOWN}, "give one of them"),
        ({"text_weight": 2}, "body.text_weight"),
        ({"unlike_weight": -1}, "body.unlike_weight"),
        ({"sought": "all"}, "body.sought"),
        ({"k": 0}, "body.k"),
        ({"imageid": "x"}, "body.imageid"),
        ({"unlike": ["x"] * 51}, "body.unlike"),
    ],
)
def test_requests_that_make_no_query_are_refused(client: TestClient, body: dict, told: str) -> None:
    status, detail = refused(client, **body)
    assert status == 422
    assert told in detail


@pytest.mark.parametrize("name", [UNKNOWN, "../../etc/passwd", "..", "a' OR 1=1 --", "x" * 1000, "\x00", "é"])
def test_unknown_ids_are_not_found(client: TestClient, images: list[CatalogImage], name: str) -> None:
    assert refused(client, image_id=name)[0] == 404
    assert refused(client, image_id=name, box_xyxy_px=[0, 0, 1, 1])[0] == 404
    assert refused(client, text="red", unlike=[name])[0] == 404


def test_an_object_that_is_not_there_is_not_found(client: TestClient, images: list[CatalogImage]) -> None:
    assert refused(client, image_id=images[0].image_id, region_index=99)[0] == 404


def test_a_box_in_a_file_that_is_gone_or_changed_is_not_found(
    client: TestClient, images: list[CatalogImage], folders: Folders
) -> None:
    path: Path = folders.data / "target" / "trips" / images[0].file
    path.write_bytes(coloured("blue", 9))
    status, detail = refused(client, image_id=images[0].image_id, box_xyxy_px=[1, 1, 9, 9])
    assert (status, "changed" in detail) == (404, True)
    path.unlink()
    assert refused(client, image_id=images[0].image_id, box_xyxy_px=[1, 1, 9, 9])[0] == 404


@pytest.mark.parametrize(
    "data", [b"GIF89a nothing", bomb(), coloured("red", 0)[:200], encoded(magic_image("embed_error"))]
)
def test_a_file_that_cannot_be_used_is_refused_and_harms_nobody(
    client: TestClient, images: list[CatalogImage], data: bytes
) -> None:
    answer = client.post("/search/similar", files={"file": ("x.png", data)})
    assert answer.status_code in (413, 415, 422), answer.text
    assert answer.json()["detail"]
    assert files(sent(client, coloured("red", 0), k=1)) == ["red0.png"]


def test_a_file_and_an_image_are_one_too_many(client: TestClient, images: list[CatalogImage]) -> None:
    answer = client.post(
        "/search/similar", files={"file": ("x", coloured("red", 0))}, data={"image_id": images[0].image_id}
    )
    assert (answer.status_code, "two pictures" in answer.json()["detail"]) == (422, True)
    answer = client.post(
        "/search/similar", files={"file": ("x", coloured("red", 0))}, data={"region_index": "1"}
    )
    assert (answer.status_code, "box_xyxy_px" in answer.json()["detail"]) == (422, True)


def test_bodies_that_cannot_be_read_are_refused(client: TestClient) -> None:
    as_json = {"content-type": "application/json"}
    assert client.post("/search/similar", content="{", headers=as_json).status_code == 400
    assert client.post("/search/similar", content="[1]", headers=as_json).status_code == 422
    assert client.post("/search/similar", content=b'{"text": "\\ud800"}', headers=as_json).status_code in (
        400,
        422,
    )
    assert client.post("/search/similar", content=b" " * (2 << 20), headers=as_json).status_code == 413
    assert (
        client.post("/search/similar", content=b"x", headers={"content-type": "text/plain"}).status_code
        == 415
    )
    assert client.post("/search/similar").status_code == 415


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def receive() -> Message:
        await asyncio.sleep(10)
        raise AssertionError("nobody waits so long")

    request = Request({"type": "http", "method": "POST", "path": "/search/similar", "headers": []}, receive)
    with pytest.raises(ProblemError, match=r"did not arrive within 0\.05 s") as told:
        asyncio.run(similar._short_body(request, 0.05))
    assert told.value.status_code == 408


def test_the_archive_is_searched_too(indexed: None, client: TestClient, images: list[CatalogImage]) -> None:
    answer = asked(client, image_id=images[0].image_id, over="reference", k=4)
    assert {hit["file"][:3] for hit in answer["hits"]} == {"red"}
    assert {(hit["link"], hit["thumbnail"], hit["folder"]) for hit in answer["hits"]} == {
        (None, None, "00000")
    }
    words = client.get("/search/text", params={"q": "blue", "over": "reference", "k": 4}).json()
    assert {hit["file"][:4] for hit in words["hits"]} == {"blue"}
    filtered = client.post("/search/hybrid", json={"text_query": "blue", "over": "reference", "folder": "a"})
    assert (filtered.status_code, "knows no filters" in filtered.json()["detail"]) == (422, True)


def test_uploads_that_wait_for_a_thread_wait_on_the_disk(
    narrow: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, may_go_on = [], Event()

    def reading(upload: Upload) -> bytes:
        read.append(upload.size_bytes)
        assert may_go_on.wait(30)
        return coloured("red", 0)

    monkeypatch.setattr(Upload, "read", reading)
    received: list[str] = []
    metrics = narrow.app.state.service.metrics  # type: ignore[attr-defined]
    monkeypatch.setattr(metrics, "stage", lambda name, _: received.append(name))
    with ThreadPoolExecutor(6) as clients:
        jobs = [clients.submit(sent, narrow, coloured("red", 0)) for _ in range(6)]
        end_s = time.monotonic() + 10
        while received.count("upload") < 6 and time.monotonic() < end_s:
            time.sleep(0.02)
        time.sleep(0.2)
        in_memory, waiting = len(read), received.count("upload")
        may_go_on.set()
        assert all(each.result(30)["hits"] == [] for each in jobs)
    assert (in_memory, waiting) == (2, 6)


def test_a_box_in_a_folder_that_is_gone_is_not_found_and_its_place_is_not_told(
    client: TestClient, images: list[CatalogImage], folders: Folders
) -> None:
    rmtree(folders.data / "target" / "trips")
    status, detail = refused(client, image_id=images[0].image_id, box_xyxy_px=[1, 1, 9, 9])
    assert (status, "its folder is gone" in detail) == (404, True)
    assert str(folders.data) not in detail
