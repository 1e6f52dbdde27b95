"""POST /ingest/image and DELETE /images/{id}, as a client meets them."""

from pathlib import Path

import pytest
from httpx import Response
from starlette.testclient import TestClient

from autotag.errors import CatalogUnavailableError
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.app import create_app
from autotag.serving.api.service import SearchService, open_service
from autotag.settings import Settings
from autotag_tests.conftest import Archive, Folders, bomb, picture, snapshot
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.serving.api.catalogued import catalogued, colours


def sent(client: TestClient, data: bytes, tags: tuple[str, ...] = (), name: str = "x.png") -> Response:
    return client.post("/ingest/image", files={"file": (name, data)}, data={"tags": list(tags)})


def directory(service: SearchService) -> list[str]:
    root = Path(service.plan.layout.ingested.path)
    return sorted(each.name for each in root.iterdir() if each.name != ".changing") if root.is_dir() else []


def test_an_image_that_was_sent_is_found(client: TestClient, service: SearchService) -> None:
    answer = sent(client, picture(1), ("mine", "Washington, DC"))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["tags"] == ["mine", "Washington, DC"]
    assert told["num_detections"] == len(service.catalog_image(told["image_id"]).objects) == 1
    assert told["processing_time_ms"] > 0
    found = client.get(told["link"]).json()
    assert (found["folder"], found["file"]) == (".ingested", f"{told['media_id']}.png")
    hits = client.get("/search/text", params={"q": "green", "min_score": -1}).json()["hits"]
    assert [each["image_id"] for each in hits] == [told["image_id"]]
    assert client.get(hits[0]["thumbnail"]).headers["content-type"] == "image/jpeg"


def test_the_same_bytes_again_are_the_same_image(client: TestClient, service: SearchService) -> None:
    first, again = sent(client, picture(1), ("a",)), sent(client, picture(1), ("b",), "other name.jpg")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["image_id"] == first.json()["image_id"]
    assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
    assert again.json()["tags"] == ["a", "b"]
    assert service.catalog.count() == 1


def test_tags_that_are_voted_come_after_ones_own_and_are_not_kept_as_such(
    settings_file: Path, plan: PipelinePlan, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    settings_file.write_text(settings_file.read_text() + "\n[tagging]\nk = 4\nmin_votes = 2\n")
    with TestClient(create_app(open_service(Settings.load(settings_file)))) as client:
        told = sent(client, coloured("red", 99), ("mine",)).json()
        assert told["tags"] == ["mine", "red", "patch"]
        assert client.get("/tags").json()["tags"] == [
            {"tag": each, "images": 1} for each in ("mine", "patch", "red")
        ]
        files = client.app.state.service.ingest.files  # type: ignore[attr-defined]
        assert files.tags(told["media_id"]) == ("mine",)


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"%PDF-1.7 no image", 415, "not an image of a known kind"),
        (b"<svg/>", 415, "not an image of a known kind"),
        (picture(1)[:-40], 422, "damaged"),
        (picture(1, form="JPEG")[:400], 422, "damaged"),
        (bomb(), 422, "larger than allowed"),
        (b"", 422, "empty"),
    ],
    ids=["pdf", "svg", "cut png", "cut jpeg", "bomb", "nothing"],
)
def test_what_is_no_usable_image_is_refused_and_leaves_nothing(
    client: TestClient, service: SearchService, data: bytes, status: int, told: str
) -> None:
    answer = sent(client, data)
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert directory(service) == []
    assert service.catalog.count() == 0


def test_the_declared_type_and_name_do_not_matter(client: TestClient) -> None:
    file = ("../../../evil.sh\x01", picture(1, form="JPEG"), "text/x-shellscript")
    answer = client.post("/ingest/image", files={"file": file})
    assert answer.status_code == 201
    assert client.get(answer.json()["link"]).json()["file"].endswith(".jpg")


def test_hostile_names_leave_files_of_our_naming_only(client: TestClient, service: SearchService) -> None:
    names = ["../../x.png", "/etc/cron.d/x", "..", "a/b", "CON", "x" * 300, "\u202egnp.x", "%2e%2e%2fx"]
    medias = [sent(client, picture(n), name=name).json()["media_id"] for n, name in enumerate(names)]
    assert directory(service) == sorted(f"{media}.png" for media in medias)


def test_two_files_and_no_file_are_refused(client: TestClient, service: SearchService) -> None:
    two = [("file", ("a.png", picture(1))), ("file", ("b.png", picture(2)))]
    assert client.post("/ingest/image", files=two).status_code == 422
    assert client.post("/ingest/image", files={"image": picture(1)}).status_code == 422
    assert client.post("/ingest/image", data={"tags": "a"}).status_code == 415
    assert client.post("/ingest/image", files={"tags": (None, "a")}).status_code == 422
    assert client.post("/ingest/image", content=picture(1)).status_code == 415
    assert client.post("/ingest/image", json={"url": "http://127.0.0.1/x.jpg"}).status_code == 415
    assert service.catalog.count() == 0


def test_addresses_are_not_fetched(client: TestClient, service: SearchService) -> None:
    form = {"file": ("a.png", picture(1)), "url": (None, "http://127.0.0.1:1/x.jpg")}
    answer = client.post("/ingest/image", files=form)
    assert answer.status_code == 422
    assert "'url'" in answer.json()["detail"]
    assert directory(service) == []


def test_a_tag_that_cannot_be_one_is_refused_before_anything_is_kept(
    client: TestClient, service: SearchService
) -> None:
    answer = sent(client, picture(1), ("a\u200b",))
    assert answer.status_code == 422
    assert "U+200B" in answer.json()["detail"]
    assert directory(service) == []


def test_a_full_service_says_when_to_come_back_before_it_receives(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.ingest, "_most_accepted", 0)
    answer = sent(client, picture(1))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


def test_a_catalog_that_is_away_is_a_503_and_sending_again_succeeds(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise CatalogUnavailableError("user:password@host is away")

    with monkeypatch.context() as broken:
        broken.setattr(service.catalog, "upsert", away)
        answer = sent(client, picture(1))
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "password" not in answer.text
    assert sent(client, picture(1)).status_code == 201
    assert service.catalog.count() == 1


def test_an_ingested_image_is_deleted_with_all_that_is_of_it(
    client: TestClient, service: SearchService
) -> None:
    told = sent(client, picture(1), ("mine",)).json()
    assert client.get(told["thumbnail"]).status_code == 200
    answer = client.delete(told["link"])
    assert answer.status_code == 200
    assert answer.json()["file_removed"] is True
    assert directory(service) == ["thumbnails"]
    assert not list(Path(service.plan.layout.ingested_thumbnails.path).rglob("*.jpg"))
    for method, address in (("GET", told["link"]), ("GET", told["thumbnail"]), ("DELETE", told["link"])):
        assert client.request(method, address).status_code == 404


def test_an_image_whose_file_was_gone_already_is_deleted_and_that_is_told(
    client: TestClient, service: SearchService
) -> None:
    told = sent(client, picture(1)).json()
    (service.plan.layout.ingested / f"{told['media_id']}.png").unlink()
    assert client.delete(told["link"]).json()["file_removed"] is False
    assert client.get(told["link"]).status_code == 404


def test_an_image_of_a_folder_is_only_forgotten(
    client: TestClient, service: SearchService, folders: Folders, tmp_path: Path
) -> None:
    image = catalogued(service, folders, "trip", colours(2))[0]
    before = snapshot(tmp_path / "data/target")
    answer = client.delete(f"/images/{image.image_id}").json()
    assert answer["file_removed"] is False
    assert "untouched" in answer["message"]
    assert snapshot(tmp_path / "data/target") == before
    assert service.catalog.count() == 1


@pytest.mark.parametrize(
    "image_id", ["0" * 32, "..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "a%2fb", "x" * 900, "*", "'; --"]
)
def test_ids_that_name_nothing_harm_nothing(
    client: TestClient, service: SearchService, image_id: str
) -> None:
    sent(client, picture(1))
    kept = directory(service)
    for method, rest in (("DELETE", ""), ("GET", ""), ("GET", "/thumbnail"), ("GET", "/crops/0")):
        assert client.request(method, f"/images/{image_id}{rest}").status_code in (404, 405, 422)
    assert directory(service) == kept
    assert service.catalog.count() == 1
