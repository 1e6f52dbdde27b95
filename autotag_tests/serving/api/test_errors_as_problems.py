"""Whatever goes wrong is a problem of RFC 9457, with a status that tells whose fault it is and no word of what is inside."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from autotag import errors
from autotag.serving.api.errors_as_problems import LONGEST_PLACE, MOST_ERRORS
from autotag.serving.api.problems import CONTENT_TYPE, Problem, ProblemError
from autotag_tests.serving.api.small_app import small_app

SECRET = "s3://user:password@bucket/secret"


class Panic(BaseException):
    """As libraries written in Rust raise it."""


def failing(error: BaseException) -> TestClient:
    return TestClient(small_app(fails_with=lambda: error))


def problem(answer) -> dict:
    """The body, checked against the model that the OpenAPI document tells of."""
    assert answer.headers["content-type"] == CONTENT_TYPE
    body = answer.json()
    told = Problem.model_validate(body)
    assert told.status == answer.status_code
    assert told.request_id == answer.headers["x-request-id"]
    assert told.detail
    return body


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.UsageError("k is 0; ask for 1 to 5"), 422, "invalid-request"),
        (errors.MissingInputError("image x is not in the catalog"), 404, "not-found"),
        (errors.RejectedImageError("decode", "it ends too early"), 422, "rejected-image"),
        (errors.OverloadedError("9 requests wait", 3.2), 503, "overloaded"),
        (errors.CatalogUnavailableError(SECRET), 503, "catalog-unavailable"),
        (errors.InUseError(SECRET), 503, "overloaded"),
        (errors.RetryableError(SECRET), 503, "overloaded"),
        (errors.CorruptIndexError(SECRET), 500, "internal-server-error"),
        (errors.UnwritableRootError(SECRET), 507, "insufficient-storage"),
        (errors.SettingsError(SECRET), 500, "internal-server-error"),
        (ProblemError(415, "no image of a kind known here"), 415, "unsupported-media-type"),
        (ProblemError(413, "too long", kind="too-long"), 413, "too-long"),
        (RuntimeError(SECRET), 500, "internal-server-error"),
        (KeyError(SECRET), 500, "internal-server-error"),
        (MemoryError(), 500, "internal-server-error"),
        (Panic(SECRET), 500, "internal-server-error"),
    ],
)
def test_an_error_has_the_status_that_tells_whose_it_is(error: BaseException, status: int, kind: str) -> None:
    answer = failing(error).get("/fails")
    assert answer.status_code == status
    assert problem(answer)["type"] == f"urn:autotag:problem:{kind}"
    assert SECRET not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_when_to_come_back_is_a_whole_number_of_seconds() -> None:
    assert failing(errors.OverloadedError("x", 3.2)).get("/fails").headers["retry-after"] == "4"
    assert failing(errors.OverloadedError("x", 0.0)).get("/fails").headers["retry-after"] == "1"


def test_a_rejected_image_tells_stage_and_reason() -> None:
    told = problem(failing(errors.RejectedImageError("decode", "it ends too early")).get("/fails"))
    assert (told["stage"], told["detail"]) == ("decode", "it ends too early")


def test_what_nobody_expected_is_in_the_log_under_the_id_of_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = failing(RuntimeError(SECRET)).get("/fails")
    assert f"request {answer.headers['x-request-id']} failed" in caplog.text
    assert SECRET in caplog.text
    assert answer.headers["x-request-id"] in answer.json()["detail"]


def test_an_error_of_ours_is_in_the_log_too(caplog: pytest.LogCaptureFixture) -> None:
    failing(errors.CorruptIndexError(SECRET)).get("/fails")
    assert SECRET in caplog.text


def test_what_a_lock_or_a_store_says_of_itself_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    failing(errors.InUseError(SECRET)).get("/fails")
    assert SECRET in caplog.text


ASKS: dict[str, tuple[Callable[[TestClient], object], int]] = {
    "no such address": (lambda client: client.get("/nowhere"), 404),
    "a number that is none": (lambda client: client.get("/read/a", params={"k": "many"}), 422),
    "no body": (lambda client: client.post("/write"), 422),
    "no JSON": (
        lambda client: client.post("/write", content=b"{", headers={"content-type": "application/json"}),
        400,
    ),
    "JSON of another shape": (lambda client: client.post("/write", json=[1]), 422),
    "not even text": (
        lambda client: client.post(
            "/write", content=b"\xff\xfe", headers={"content-type": "application/json"}
        ),
        400,
    ),
    "a name with half a character": (
        lambda client: client.post(
            "/write", content=b'{"\\ud800": "x"}', headers={"content-type": "application/json"}
        ),
        422,
    ),
    "nested too deep": (
        lambda client: client.post(
            "/write", content=b"[" * 100_000, headers={"content-type": "application/json"}
        ),
        400,
    ),
}


@pytest.mark.parametrize("name", ASKS)
def test_a_request_that_is_wrong_is_told_where(name: str) -> None:
    ask, status = ASKS[name]
    answer = ask(TestClient(small_app()))
    assert answer.status_code == status
    problem(answer)


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/x-www-form-urlencoded"}])
def test_json_that_is_not_declared_is_told_which_header_is_missing(headers: dict[str, str]) -> None:
    answer = TestClient(small_app()).post("/write", content=b'{"a": 1}', headers=headers)
    told = problem(answer)
    assert answer.status_code == 422
    assert told["detail"] == "body: a body of JSON needs the header Content-Type: application/json"
    assert told["errors"][0]["where"] == "body"


def test_wrong_places_are_named_and_what_was_sent_is_not_repeated() -> None:
    answer = TestClient(small_app()).post("/write", json={"a": "<script>secret</script>"})
    told = problem(answer)
    assert told["errors"][0]["where"] == "body.a"
    assert told["detail"].startswith("body.a: ")
    assert "secret" not in answer.text


def test_a_body_that_is_wrong_all_over_gets_a_short_answer() -> None:
    answer = TestClient(small_app()).post("/write", json={str(number): "x" for number in range(5000)})
    told = problem(answer)
    assert len(told["errors"]) == MOST_ERRORS
    assert told["detail"].endswith(", and 4997 more")


def test_another_method_is_told_all_that_there_are() -> None:
    answer = TestClient(small_app()).put("/read/a")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert "DELETE, GET" in problem(answer)["detail"]


def test_a_name_as_long_as_a_body_is_not_sent_back_whole() -> None:
    answer = TestClient(small_app()).post("/write", json={"n" * 100_000: "x"})
    (place,) = problem(answer)["errors"]
    assert len(place["where"]) == LONGEST_PLACE
    assert len(answer.content) < 2000
