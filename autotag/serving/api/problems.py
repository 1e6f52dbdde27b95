"""Problems of RFC 9457: how the API tells that something was wrong, in a sentence, and what to do about it."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from fastapi.requests import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

CONTENT_TYPE = "application/problem+json"
TYPES = "urn:autotag:problem:"

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Those that releases of Python name differently: kinds of problems are compared by programs."""


class WrongPlace(BaseModel):
    """A place of the request that is wrong."""

    where: str = Field(description="Like `query.k` or `body.classes.0`.", examples=["query.k"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="What kind of problem.", examples=[f"{TYPES}invalid-request"])
    title: str = Field(description="The kind in words.", examples=["Unprocessable Content"])
    status: int = Field(description="The HTTP status.", examples=[422], ge=400, le=599)
    detail: str = Field(
        description="What was wrong, and what to do.", examples=["k is 0; ask for 1 to 10000"]
    )
    request_id: str = Field(description="Of the answer's X-Request-ID header; the log knows it, too.")
    errors: list[WrongPlace] | None = Field(default=None, description="Places of the request that are wrong.")
    stage: str | None = Field(default=None, description="Where an image was refused: decode, detect, ...")
    missing: list[str] | None = Field(default=None, description="What the service still waits for.")


class ProblemError(HTTPException):
    """A problem with a status of its own.

    Attributes:
        kind: last part of the problem's type, like "unknown-key".
        members: more members of the problem.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.kind = kind or kind_of(status)
        self.members = dict(members or {})


def problem_answer(request: Request, error: ProblemError) -> JSONResponse:
    """The answer that tells a problem."""
    body = {
        "type": f"{TYPES}{error.kind}",
        "title": phrase_of(error.status_code),
        "status": error.status_code,
        "detail": error.detail,
        "request_id": request_id(request),
        **error.members,
    }
    return JSONResponse(body, error.status_code, dict(error.headers or {}), CONTENT_TYPE)


def request_id(request: Request) -> str:
    """The id that the edge gave the request."""
    return request.scope.get("state", {}).get("request_id", "")


def kind_of(status: int) -> str:
    """The kind of a problem that a status says all about: "not-found"."""
    return {422: "invalid-request"}.get(status) or phrase_of(status).lower().replace(" ", "-")


def phrase_of(status: int) -> str:
    """A status in words."""
    try:
        return _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to come back: whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
