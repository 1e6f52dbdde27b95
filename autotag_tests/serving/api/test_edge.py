"""Every request has an id, is counted by its template, and gets the headers; too many at a time are told to come back."""

import asyncio

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from autotag.serving.api.edge import HEADERS, Edge
from autotag.serving.api.metrics import Metrics
from autotag_tests.serving.api.small_app import small_app


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    return TestClient(small_app(metrics=metrics), raise_server_exceptions=False)


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"autotag_{name}", labels)


@pytest.mark.parametrize("path", ["/read/a", "/nowhere", "/fails", "/healthz", "/read/a?k=x"])
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["x-request-id"]


def test_a_handler_may_say_otherwise(client: TestClient) -> None:
    assert client.get("/own").headers["cache-control"] == "private, max-age=60"


def test_the_clients_id_comes_back(client: TestClient) -> None:
    assert (
        client.get("/read/a", headers={"X-Request-ID": "trace-1.2_3"}).headers["x-request-id"]
        == "trace-1.2_3"
    )


@pytest.mark.parametrize("wrong", ["", "a b", "x" * 65, "a;b", "<b>", "\u00fc"])
def test_an_id_that_would_spoil_a_log_is_replaced(client: TestClient, wrong: str) -> None:
    answer = client.get("/read/a", headers={"X-Request-ID": wrong.encode()})
    assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]
    assert len(answer.headers["x-request-id"]) == 32


def test_no_two_requests_have_the_same_id(client: TestClient) -> None:
    assert len({client.get("/healthz").headers["x-request-id"] for _ in range(20)}) == 20


def test_requests_are_counted_by_template_and_status(client: TestClient, metrics: Metrics) -> None:
    for path in ("/read/a", "/read/b", "/read/c?k=x", "/nowhere", "/somewhere/else", "/fails"):
        client.get(path)
    client.put("/read/a")
    client.request("BREW", "/read/a")
    assert figure(metrics, "requests_total", route="/read/{name}", method="GET", status="200") == 2
    assert figure(metrics, "requests_total", route="/read/{name}", method="GET", status="422") == 1
    assert figure(metrics, "requests_total", route="/read/{name}", method="PUT", status="405") == 1
    assert figure(metrics, "requests_total", route="/read/{name}", method="other", status="405") == 1
    assert figure(metrics, "requests_total", route="", method="GET", status="404") == 2
    assert figure(metrics, "requests_total", route="/fails", method="GET", status="500") == 1
    assert figure(metrics, "request_seconds_count", route="/read/{name}", method="GET") == 3
    assert figure(metrics, "requests_in_flight") == 0


def test_an_answer_that_breaks_half_way_is_cut_off_and_not_ended_as_if_it_were_whole(
    metrics: Metrics,
) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        TestClient(small_app(metrics=metrics)).get("/breaks")
    assert figure(metrics, "requests_in_flight") == 0


def test_too_many_at_a_time_are_told_to_come_back_and_health_is_answered(metrics: Metrics) -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(small_app(metrics=metrics, most_in_flight=2))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            slow = [client.get("/waits") for _ in range(5)]
            return await asyncio.gather(*slow, client.get("/healthz"))

    answers = asyncio.run(ask())
    assert [each.status_code for each in answers] == [200, 200, 503, 503, 503, 200]
    refused = answers[2]
    assert refused.json()["type"] == "urn:autotag:problem:overloaded"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert figure(metrics, "requests_turned_away_total") == 3
    assert figure(metrics, "requests_in_flight") == 0


def test_a_request_that_its_server_drops_is_dropped_without_a_word() -> None:
    scope = {"type": "http", "method": "GET", "path": "/waits", "headers": [], "query_string": b""}
    sent: list[Message] = []

    async def waiting(_: object, __: object, ___: object) -> None:
        await asyncio.sleep(30)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    async def drop() -> None:
        request = Edge(waiting, Metrics(), most_in_flight=1)(scope, receive, send)
        request.send(None)
        request.close()

    asyncio.run(drop())
    assert sent == []


def test_a_client_that_goes_away_is_no_error(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        scope = {
            "type": "http", "method": "POST", "path": "/upload", "raw_path": b"/upload", "root_path": "", "headers": [],
            "query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("localhost", 80), "asgi": {"version": "3.0"},
        }  # fmt: skip

        async def receive() -> dict:
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            raise AssertionError(f"nobody is there to get {message}")

        await small_app(metrics=metrics)(scope, receive, send)

    asyncio.run(ask())
    assert figure(metrics, "requests_total", route="/upload", method="POST", status="499") == 1
    assert not caplog.records
