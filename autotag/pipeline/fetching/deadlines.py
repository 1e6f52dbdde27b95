"""Time limits for a whole answer: without, a server that sends a byte now and then would hold a connection for ever."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

_now = threading.local()


@contextmanager
def until(deadline_s: float, over: threading.Event) -> Iterator[None]:
    """Reads of this thread from a `DeadlineStream` end at that time of `time.monotonic`, or once `over` is set."""
    _now.deadline_s, _now.over = deadline_s, over
    try:
        yield
    finally:
        _now.deadline_s, _now.over = float("inf"), None


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline of the thread that makes them."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes.

        Raises:
            httpcore.ReadTimeout: none came in time.
        """
        return self._stream.read(max_bytes, left_s_of(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All bytes.

        Raises:
            httpcore.WriteTimeout: they were not taken in time.
        """
        self._stream.write(buffer, left_s_of(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The encrypted connection, with the same deadlines."""
        left = left_s_of(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows."""
        return self._stream.get_extra_info(info)


def left_s_of(timeout_s: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """A timeout, or what is left of this thread's deadline where that is less; None for no end.

    Raises:
        httpcore.TimeoutException: nothing is left, or all is over; of the class `error`.
    """
    over: threading.Event | None = getattr(_now, "over", None)
    if over is not None and over.is_set():
        raise error("it was stopped")
    left_s = getattr(_now, "deadline_s", float("inf")) - time.monotonic()
    if left_s <= 0:
        raise error("the whole answer took too long")
    return left_s if timeout_s is None else min(timeout_s, left_s)
