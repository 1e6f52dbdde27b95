"""Bodies are no longer than they may be, whatever is said of their length, and do not trickle in for ever."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from autotag.serving.api.body_guard import FORM_BYTES, WORDS_BYTES
from autotag_tests.serving.api.small_app import small_app

UPLOAD_BYTES = (3 << 20) + FORM_BYTES


@pytest.fixture
def client() -> TestClient:
    return TestClient(small_app())


def pieces(count: int) -> Iterator[bytes]:
    """Of 64 KiB, sent without saying how many will come."""
    for _ in range(count):
        yield bytes(1 << 16)


def test_an_upload_may_be_as_long_as_an_upload(client: TestClient) -> None:
    assert client.post("/upload", content=bytes(UPLOAD_BYTES)).json() == {"bytes": UPLOAD_BYTES}
    assert client.post("/upload", content=pieces(40)).json() == {"bytes": 40 << 16}


@pytest.mark.parametrize(("path", "most"), [("/upload", UPLOAD_BYTES), ("/write", WORDS_BYTES)])
def test_a_body_that_is_said_to_be_too_long_is_refused_unread(
    client: TestClient, path: str, most: int
) -> None:
    answer = client.post(path, content=b"", headers={"content-length": str(most + 1)})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:autotag:problem:content-too-large"
    assert f"{most:,}" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"


def test_a_length_beyond_all_numbers_is_too_long(client: TestClient) -> None:
    answer = client.post("/write", content=b"", headers={"content-length": "9" * 5000})
    assert answer.status_code == 413


def test_a_body_that_nobody_asks_for_is_not_looked_at(client: TestClient) -> None:
    for most, connection in ((WORDS_BYTES, None), (WORDS_BYTES + 1, "close")):
        answer = client.post("/nowhere", content=b"", headers={"content-length": str(most)})
        assert (answer.status_code, answer.headers.get("connection")) == (404, connection)


@pytest.mark.parametrize(("path", "count"), [("/upload", 65), ("/write", 17)])
def test_a_body_that_turns_out_too_long_is_refused(client: TestClient, path: str, count: int) -> None:
    answer = client.post(path, content=pieces(count), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("length", ["-1", "a lot", "1e9", "", "\u0663"])
def test_a_length_that_is_no_number_is_counted(client: TestClient, length: str) -> None:
    answer = client.post(
        "/write",
        content=b'{"a": 1}',
        headers={"content-type": "application/json", "content-length": length.encode()},
    )
    assert answer.status_code == 200


def test_a_body_that_trickles_in_is_given_up() -> None:
    sent: list[dict] = []

    async def ask() -> None:
        scope = {
            "type": "http", "method": "POST", "path": "/write", "raw_path": b"/write", "root_path": "",
            "headers": [(b"content-type", b"application/json")], "query_string": b"", "http_version": "1.1",
            "scheme": "http", "server": ("localhost", 80), "asgi": {"version": "3.0"},
        }  # fmt: skip

        async def receive() -> dict:
            await asyncio.sleep(0.05)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: dict) -> None:
            sent.append(message)

        await small_app()(scope, receive, send)

    started_s = time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - started_s < 5
    assert sent[0]["status"] == 408
    assert b"0.3 s" in sent[1]["body"]
