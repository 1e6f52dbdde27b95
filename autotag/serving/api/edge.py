"""The outermost layer of the API: every request gets an id, is counted, timed and logged, and every answer gets its headers.

Nothing unexpected leaves here but as a problem with status 500, whose text tells nothing of what is inside.
"""

import asyncio
import logging
import re
import time
import uuid

from fastapi.requests import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autotag.serving.api.errors_as_problems import problem_of
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.problems import ProblemError, problem_answer, retry_after
from autotag.serving.api.request_log import log_request

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Of every answer, unless its handler says otherwise."""

ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Addresses that those who watch the service ask, also when it is busy."""

CLIENT_GONE = 499
"""Status that counts and log show where the client did not wait for the answer."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(__name__)


class Edge:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, metrics: Metrics, most_in_flight: int) -> None:
        """Requests beyond `most_in_flight` are answered 503 at once, instead of waiting where nobody counts them."""
        self._app = app
        self._metrics = metrics
        self._most = most_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; other kinds of connections pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        started_s = time.perf_counter()
        self._in_flight += 1
        self._metrics.entered()
        try:
            await self._answered(answer, scope, receive)
        finally:
            self._in_flight -= 1
            self._metrics.left()
            seconds = time.perf_counter() - started_s
            route = getattr(scope.get("route"), "path", "")
            self._metrics.request(route, scope["method"], answer.status, seconds)
            log_request(scope, answer.request_id, route, answer.status, seconds, answer.sent_bytes)

    async def _answered(self, answer: "_Answer", scope: Scope, receive: Receive) -> None:
        try:
            if self._in_flight > self._most and scope["path"] not in ALWAYS_ANSWERED:
                self._metrics.turned_away()
                raise _busy(self._most)
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = CLIENT_GONE
        except (
            KeyboardInterrupt,
            SystemExit,
            GeneratorExit,
        ):  # nobody runs this any more, so that nothing can be sent
            raise
        except asyncio.CancelledError:  # by the server, which ends: nobody may be left to hear of it
            if not answer.has_begun:
                await problem_answer(Request(scope, receive), _ending())(scope, receive, answer.send)
        except BaseException as error:  # panics of libraries written in Rust are no `Exception`
            request = Request(scope, receive)
            problem = problem_of(error, request)
            if problem.status_code == 500:
                _log.exception("request %s failed", answer.request_id)
            # Half an answer cannot be taken back: the connection breaks, so that the client sees that it is not whole.
            if answer.has_begun:
                raise
            await problem_answer(request, problem)(scope, receive, answer.send)


class _Answer:
    """The answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = _id_of(scope)
        self.status = CLIENT_GONE
        self.sent_bytes = 0
        self.has_begun = False
        self._send = send
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Pass a part of it on, the first one with headers."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["x-request-id"] = self.request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)


def _id_of(scope: Scope) -> str:
    """The client's id where it sends a decent one, so that its log and ours can be laid side by side; else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _GIVEN_ID.fullmatch(given):
                return given
    return uuid.uuid4().hex


def _ending() -> ProblemError:
    return ProblemError(
        503,
        "the service is shutting down; try again in a moment",
        kind="overloaded",
        headers=retry_after(1.0),
    )


def _busy(most: int) -> ProblemError:
    return ProblemError(
        503, f"{most} requests are under way already; try again", kind="overloaded", headers=retry_after(1.0)
    )
