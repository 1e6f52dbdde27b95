"""The log of requests: none unless it is asked for, a line of JSON each, without what people look for."""

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from autotag.serving.api import request_log
from autotag_tests.serving.api.small_app import small_app


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    log = logging.getLogger(request_log.__name__)
    before = (list(log.handlers), log.propagate, log.level)
    yield
    log.handlers[:], log.propagate = before[0], before[1]
    log.setLevel(before[2])


def test_there_is_none_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    TestClient(small_app()).get("/read/a")
    assert capsys.readouterr().err == ""


def test_a_request_is_a_line_without_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    request_log.log_requests()
    request_log.log_requests()
    answer = TestClient(small_app()).get("/read/a%0Ab?k=4242", headers={"X-Request-ID": "me"})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    told = json.loads(lines[0])
    assert told.pop("ms") > 0
    assert told.pop("at").endswith("+00:00")
    assert told == {
        "id": "me",
        "method": "GET",
        "path": "/read/a\nb",
        "route": "/read/{name}",
        "status": 200,
        "bytes": len(answer.content),
    }
    assert "4242" not in lines[0]
