"""How long a request's body may be, and how long it may take. Where files are uploaded the limits are those of uploads."""

import asyncio
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autotag.serving.api.problems import ProblemError

WORDS_BYTES = 1 << 20
"""Most of a body without a file: a question with a thousand tags has a tenth of it."""

FORM_BYTES = 1 << 20
"""What a form may hold beside its file."""

_DIGITS = 18
"""Of a length that somebody may mean; far longer ones are no numbers to Python."""


class BodyGuard:
    """ASGI middleware. Counts what arrives; what the client says of the length is believed where it is too much.

    Nothing is said of a body before it is asked for: who may not send one is told that first.
    """

    def __init__(
        self, app: ASGIApp, *, upload_paths: Collection[str], max_upload_bytes: int, timeout_s: float
    ) -> None:
        """Bodies for `upload_paths` may be as long as an upload, and are timed where they are received."""
        self._app = app
        self._upload_paths = frozenset(upload_paths)
        self._max_upload_bytes = max_upload_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, with its body watched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["path"].removeprefix(scope.get("root_path", "")) in self._upload_paths
        most = self._max_upload_bytes + FORM_BYTES if is_upload else WORDS_BYTES
        watched = _WatchedBody(receive, most, None if is_upload else self._timeout_s)
        watched.is_too_long = _is_more(Headers(scope=scope).get("content-length", ""), most)
        await self._app(scope, watched.receive, _closing(send) if watched.is_too_long else send)


class _WatchedBody:
    """A body that is received. One that `is_too_long` by what its sender says is refused when it is asked for."""

    def __init__(self, receive: Receive, most: int, timeout_s: float | None) -> None:
        self.is_too_long = False
        self._receive = receive
        self._most = most
        self._received = 0
        self._is_whole = False
        self._timeout_s = timeout_s
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s

    async def receive(self) -> Message:
        """The next part.

        Raises:
            ProblemError: 413 too long, 408 too slow.
        """
        if self.is_too_long:
            raise _too_long(self._most)
        message = await self._next()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._received > self._most:
                raise _too_long(self._most)
        return message

    async def _next(self) -> Message:
        if self._is_whole or self._end_s is None:  # afterwards only the client's going away is waited for
            return await self._receive()
        try:
            return await asyncio.wait_for(self._receive(), max(0.0, self._end_s - time.monotonic()))
        except TimeoutError:
            raise ProblemError(
                408, f"the body did not arrive within {self._timeout_s:g} s", headers={"Connection": "close"}
            ) from None


def _closing(send: Send) -> Send:
    """Whatever is answered, the connection ends with it: too much would go on coming, which nobody wants to read."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(raw=message.setdefault("headers", []))["connection"] = "close"
        await send(message)

    return send_last


def _is_more(declared: str, most: int) -> bool:
    """Whether a length, as a header has it, is more; what is no number is not."""
    return declared.isdecimal() and (len(declared) > _DIGITS or int(declared) > most)


def _too_long(most: int) -> ProblemError:
    # A client must not go on sending to nobody.
    return ProblemError(
        413, f"the body is longer than the {most:,} bytes allowed here", headers={"Connection": "close"}
    )
