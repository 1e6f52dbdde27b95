"""Access keys at the door: who has none, a wrong one, or one that may not."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from upath import UPath

from autotag.serving.api.key_file import Keys
from autotag_tests.serving.api.small_app import small_app


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.of(UPath(tmp_path / "keys.json"), required=True)


@pytest.fixture
def client(keys: Keys) -> TestClient:
    return TestClient(small_app(keys))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_opens_what_it_is_for(client: TestClient, keys: Keys) -> None:
    reader, writer = keys.add("reader", ["read"]), keys.add("writer", ["write"])
    assert client.get("/read/a", headers=bearer(reader)).status_code == 200
    assert client.post("/write", json={"a": 1}, headers=bearer(writer)).status_code == 200


def test_without_a_key_the_answer_says_how_to_send_one(client: TestClient) -> None:
    answer = client.get("/read/a")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:autotag:problem:key-missing"
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer ",
        "Basic dTpw",
        "bearer",
        "Bearer a b",
        "Bearer \u00fc",
        "Bearer " + "x" * 9000,
    ],
)
def test_a_wrong_key_is_no_key(client: TestClient, keys: Keys, header: str) -> None:
    keys.add("reader", ["read"])
    answer = client.get("/read/a", headers={"Authorization": header.encode("utf-8")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_without_the_scope_is_told_which_one_it_lacks(client: TestClient, keys: Keys) -> None:
    reader = keys.add("reader", ["read"])
    answer = client.post("/write", json={"a": 1}, headers=bearer(reader))
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:autotag:problem:key-without-scope"
    assert 'scope="write"' in answer.headers["www-authenticate"]


def test_a_key_is_not_taken_from_the_address(client: TestClient, keys: Keys) -> None:
    reader = keys.add("reader", ["read"])
    assert client.get("/read/a", params={"key": reader, "access_token": reader}).status_code == 401


def test_health_needs_no_key(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200


def test_where_no_key_is_needed_none_is_asked_for(tmp_path: Path) -> None:
    open_door = TestClient(
        small_app(Keys.of(UPath(tmp_path / "keys.json"))), base_url="http://localhost:8000"
    )
    assert open_door.get("/read/a").status_code == 200
    assert open_door.post("/write", json={"a": 1}).status_code == 200
