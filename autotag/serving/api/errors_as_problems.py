"""Every error of the API as a problem.

Sentences of errors that are the client's reach the client. Of those that are ours it learns the request's id, under which the log
tells the rest.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as PlainHTTPException
from starlette.routing import Match

from autotag.errors import (
    AutotagError,
    CatalogUnavailableError,
    MissingInputError,
    OverloadedError,
    RejectedImageError,
    RetryableError,
    UnknownKindError,
    UnwritableRootError,
    UsageError,
)
from autotag.serving.api.problems import ProblemError, problem_answer, request_id, retry_after

RETRY_AFTER_S = 2.0
"""When to come back after what a retry may help with, where nothing better is known."""

MOST_ERRORS = 20
"""Places of a request that are named; a body can be wrong in more of them than anybody reads."""

LONGEST_PLACE = 200
"""Characters of a place: names in it are the client's, and may be as long as its body."""

_UNREADABLE = frozenset({"json_invalid"})
"""Kinds of validation errors that are about a body which cannot be read at all."""

_log = logging.getLogger(__name__)


def answer_with_problems(app: FastAPI) -> None:
    """Make all errors that handlers and routing raise into problems; what nobody expected is for `edge`."""
    app.add_exception_handler(AutotagError, _answer)
    app.add_exception_handler(PlainHTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)


def problem_of(error: BaseException, request: Request) -> ProblemError:
    """What a client is told of an error."""
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            return _of_validation(error.errors(), request)
        case PlainHTTPException():
            return _of_http(error, request)
        case UnknownKindError():
            return ProblemError(415, error.reason)
        case RejectedImageError():
            return ProblemError(422, error.reason, kind="rejected-image", members={"stage": error.stage})
        case MissingInputError():
            return ProblemError(404, str(error))
        case UsageError():
            return ProblemError(422, str(error))
        case RetryableError():
            return _of_retryable(error)
        case UnwritableRootError():
            return ProblemError(
                507, "nothing can be kept here now: no room on the disk, or no right to write"
            )
    return ProblemError(500, f"something went wrong here, and the log says what under {request_id(request)}")


async def _answer(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error, request)
    if problem.status_code in (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.INSUFFICIENT_STORAGE):
        _log.error("request %s failed", request_id(request), exc_info=error)
    elif isinstance(error, RetryableError) and not isinstance(error, OverloadedError):
        _log.warning("request %s: %s", request_id(request), error)
    return problem_answer(request, problem)


def _of_retryable(error: RetryableError) -> ProblemError:
    # What a store or a lock says of itself may hold addresses and paths: the log has it.
    match error:
        case OverloadedError():
            kind, detail = "overloaded", str(error)
        case CatalogUnavailableError():
            kind, detail = "catalog-unavailable", "the catalog does not answer now; try again"
        case _:
            kind, detail = (
                "overloaded",
                "something that this needs is in use or does not answer now; try again",
            )
    seconds = float(getattr(error, "retry_after_s", RETRY_AFTER_S))
    return ProblemError(503, detail, kind=kind, headers=retry_after(seconds))


def _of_http(error: PlainHTTPException, request: Request) -> ProblemError:
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND and detail == "Not Found":
        detail = "there is no such address here; /docs lists all there are"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "")
        detail = f"this address takes {headers['Allow']}"
    return ProblemError(error.status_code, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """All methods of an address; routing knows those of its first route only."""
    methods: set[str] = set()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            methods.add(method)
    return sorted(methods)


def _of_validation(errors: Sequence[Mapping[str, Any]], request: Request) -> ProblemError:
    status = 400 if any(each["type"] in _UNREADABLE for each in errors) else 422
    places = [
        {"where": ".".join(map(str, each["loc"]))[:LONGEST_PLACE], "message": _message(each, request)}
        for each in errors[:MOST_ERRORS]
    ]
    told = "; ".join(f"{each['where']}: {each['message']}" for each in places[:3])
    more = f", and {len(errors) - 3} more" if len(errors) > 3 else ""
    return ProblemError(status, f"{told}{more}", members={"errors": places})


def _message(error: Mapping[str, Any], request: Request) -> str:
    is_whole_body = tuple(error["loc"]) == ("body",) and error["type"] != "missing"
    if is_whole_body and "json" not in request.headers.get("content-type", "").lower():
        return "a body of JSON needs the header Content-Type: application/json"
    return error["msg"]
