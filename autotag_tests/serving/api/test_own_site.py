"""Without keys the API is for this machine: pages of other sites in a browser here can neither ask nor change anything."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.middleware import Middleware
from upath import UPath

from autotag.serving.api.key_file import Keys
from autotag.serving.api.ray_access import NearOrWithKey
from autotag_tests.serving.api.small_app import small_app

HERE = "http://127.0.0.1:8000"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.of(UPath(tmp_path / "keys.json"))


@pytest.fixture
def client(keys: Keys) -> TestClient:
    return TestClient(small_app(keys), base_url=HERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_this_machine_is_answered_by_any_of_its_names(client: TestClient, host: str) -> None:
    assert client.get("/read/a", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "[::1", "10.0.0.1", "a b"],
)  # fmt: skip
def test_a_name_that_was_made_to_point_here_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/read/a", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:autotag:problem:foreign-host"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://["},
    ],
)
def test_a_page_of_another_origin_changes_nothing(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/write", json={"a": 1}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:autotag:problem:foreign-origin"


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
def test_programs_and_the_page_of_the_api_itself_may(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/write", json={"a": 1}, headers=headers).status_code == 200


def test_no_other_origin_is_given_leave_to_read(client: TestClient) -> None:
    answer = client.get("/read/a", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_with_keys_names_and_origins_do_not_matter(client: TestClient, keys: Keys) -> None:
    key = keys.add("one", ["read", "write"])
    headers = {"Host": "search.example", "Origin": "https://app.example", "Authorization": f"Bearer {key}"}
    assert client.post("/write", json={"a": 1}, headers=headers).status_code == 200


def behind_ray(app: FastAPI, keys: Keys) -> FastAPI:
    """As `create_app` does where only who is near may ask."""
    app.user_middleware.insert(1, Middleware(NearOrWithKey, keys=keys))
    return app


@pytest.mark.parametrize(("guarded", "status"), [(lambda app, _: app, 200), (behind_ray, 403)])
def test_nobody_waits_while_far_keys_are_looked_at(
    guarded: Callable[[FastAPI, Keys], FastAPI], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys.of(UPath("memory://far/keys.json"))
    looked: list[float] = []

    def slowly(_: Keys) -> None:
        looked.append(time.monotonic())
        time.sleep(0.5)

    async def others_wait_s() -> float:
        app = small_app(keys)
        transport = httpx.ASGITransport(guarded(app, keys), client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asking = asyncio.create_task(client.get("/read/a"))
            longest_s = 0.0
            while not asking.done():
                started_s = time.monotonic()
                await asyncio.sleep(0.01)
                longest_s = max(longest_s, time.monotonic() - started_s)
            assert (await asking).status_code == status
            return longest_s

    monkeypatch.setattr(Keys, "_stamp", slowly)
    assert asyncio.run(others_wait_s()) < 0.3
    assert len(looked) == 1
