"""The application as a whole: what every route has in common, and who may ask what."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi.testclient import TestClient
from upath import UPath

from autotag.errors import CatalogUnavailableError
from autotag.serving.api.app import create_app
from autotag.serving.api.key_file import Keys
from autotag.serving.api.service import SearchService

READS = [
    "/search/text?q=red",
    "/images",
    "/images/0",
    "/images/0/thumbnail",
    "/images/0/crops/1",
    "/tags",
    "/metrics",
]
OPEN = ["/healthz", "/readyz", "/docs", "/openapi.json", "/docs/assets/start.js"]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.of(UPath(tmp_path / "keys.json"), required=True)


@pytest.fixture
def guarded(service: SearchService, keys: Keys) -> Iterator[TestClient]:
    with TestClient(create_app(service, keys)) as opened:
        yield opened


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("path", READS)
def test_what_reads_needs_a_key_that_reads(guarded: TestClient, keys: Keys, path: str) -> None:
    assert guarded.get(path).status_code == 401
    assert guarded.get(path, headers=bearer(keys.add("writer", ["write"]))).status_code == 403
    assert guarded.get(path, headers=bearer(keys.add("reader", ["read"]))).status_code in (200, 404, 422)


@pytest.mark.parametrize("path", ["/search/hybrid", "/search/objects", "/search/similar"])
def test_searches_that_are_posted_only_read(guarded: TestClient, keys: Keys, path: str) -> None:
    assert guarded.post(path, json={}).status_code == 401
    assert guarded.post(path, json={}, headers=bearer(keys.add("writer", ["write"]))).status_code == 403
    assert guarded.post(path, json={}, headers=bearer(keys.add("reader", ["read"]))).status_code in (200, 422)


@pytest.mark.parametrize(("method", "path"), [("POST", "/ingest/image"), ("DELETE", "/images/" + "0" * 32)])
def test_what_changes_something_needs_a_key_that_writes(
    guarded: TestClient, keys: Keys, method: str, path: str
) -> None:
    assert guarded.request(method, path).status_code == 401
    assert guarded.request(method, path, headers=bearer(keys.add("reader", ["read"]))).status_code == 403
    allowed = guarded.request(method, path, headers=bearer(keys.add("writer", ["write"])))
    assert allowed.status_code in (404, 415, 422)


TAKES_BODY = ["/search/hybrid", "/search/objects", "/search/similar", "/ingest/image"]


@pytest.mark.parametrize("path", TAKES_BODY)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b", "text/plain", ""])
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"k": 0}', b"\xff", b"--b\r\n"])
def test_without_a_key_nothing_is_said_of_a_body(
    guarded: TestClient, path: str, kind: str, body: bytes
) -> None:
    answer = guarded.post(path, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:autotag:problem:key-missing")


@pytest.mark.parametrize("path", TAKES_BODY)
def test_without_a_key_nothing_is_said_of_how_long_a_body_may_be(guarded: TestClient, path: str) -> None:
    assert guarded.post(path, content=b"", headers={"Content-Length": str(10**12)}).status_code == 401


@pytest.mark.parametrize("path", OPEN)
def test_health_and_the_page_of_the_api_need_no_key(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code in (200, 503)


def test_it_warms_up_by_itself_and_is_closed_with_the_application(service: SearchService) -> None:
    with TestClient(create_app(service)) as client:
        end_s = time.monotonic() + 30
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end_s
            time.sleep(0.05)
    assert "the service is being closed" in service.obstacles()


def test_a_search_while_the_catalog_is_gone_is_told_to_come_back_and_then_answered(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise CatalogUnavailableError("connection refused at 10.0.0.7:9200")

    with monkeypatch.context() as patch:
        patch.setattr(service.catalog, "search", gone)
        patch.setattr(service.catalog, "get", gone)
        for answer in (client.get("/search/text?q=red&min_score=0"), client.get("/images/" + "0" * 32)):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["type"] == "urn:autotag:problem:catalog-unavailable"
            assert "10.0.0.7" not in answer.text
    assert client.get("/search/text?q=red&min_score=0").status_code == 200


TRICKS = [
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a%0ab",
    "%ff",
    "a" * 5000,
    "%F0%9F%90%95",
    "..\\..",
    "-1",
    "%",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("tail", ["", "/thumbnail", "/crops/1", "/crops/../../x"])
def test_tricks_with_ids_find_nothing(client: TestClient, trick: str, tail: str) -> None:
    answer = client.get(f"/images/{trick}{tail}")
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "trick", ["..", "../..", "/etc", "a/../../b", "\x00", ".ingested", "%2e%2e", "\\", "a" * 900]
)
def test_tricks_with_names_of_folders_find_nothing(client: TestClient, trick: str) -> None:
    for answer in (
        client.get("/images", params={"folder": trick}),
        client.get("/search/text", params={"q": "red", "folder": trick}),
    ):
        assert answer.status_code in (200, 422), answer.text
        assert answer.json().get("hits", []) == []


def test_the_start_leads_to_the_page(client: TestClient) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")


def test_an_address_with_a_slash_too_many_is_not_redirected_by_what_the_client_calls_us(
    client: TestClient,
) -> None:
    answer = client.get("/tags/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404


def test_a_file_of_keys_that_is_damaged_lets_nobody_in_and_kills_nobody(
    guarded: TestClient, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autotag.serving.api.key_file.LOOK_S", 0.0)
    text = keys.add("reader", ["read"])
    assert guarded.get("/tags", headers=bearer(text)).status_code == 200
    (tmp_path / "keys.json").write_text("{half")
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/tags").status_code == 401
    answer = guarded.get("/tags", headers=bearer(text))
    assert answer.status_code == 500
    assert str(tmp_path) not in answer.text


def test_it_ends_also_while_requests_hold_all_threads(service: SearchService) -> None:
    async def live_and_end() -> None:
        app = create_app(service)
        async with app.router.lifespan_context(app):
            limiter = current_default_thread_limiter()
            for _ in range(int(limiter.total_tokens)):
                await limiter.acquire_on_behalf_of(object())

    asyncio.run(asyncio.wait_for(live_and_end(), 20))
