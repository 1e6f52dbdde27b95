"""Downloads one file: limits on bytes and time, redirects followed and judged, what may pass tried again."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpcore
import httpx
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential_jitter,
)

from autotag import __version__
from autotag.errors import RejectedImageError
from autotag.pipeline.fetching.addresses import GuardedBackend
from autotag.pipeline.fetching.answers import (
    AnswerHeaders,
    PassingFailureError,
    is_answer,
    refuse_headers,
    refuse_status,
)
from autotag.pipeline.fetching.deadlines import until

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LAST_PORT = 65_535
_FAULTS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What a download may cost.

    Attributes:
        max_bytes: of a file.
        timeout_s: without a byte.
        total_s: for a whole file, redirects included, waits for the host's turn not.
        attempts: tries of one URL.
        per_host: connections to one host at a time.
        parallel: connections in all.
        allow_private: whether addresses of the own network may be asked.
    """

    max_bytes: int = 50_000_000
    timeout_s: float = 10.0
    total_s: float = 60.0
    attempts: int = 3
    per_host: int = 4
    parallel: int = 16
    allow_private: bool = False


@dataclass
class Downloader:
    """Downloads files; threads share one. Proxies of the environment are not used: behind one, no address can be judged."""

    limits: DownloadLimits
    wait_s: float = 0.5
    _hosts: dict[str, threading.BoundedSemaphore] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _over: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._hosts = defaultdict(lambda: threading.BoundedSemaphore(self.limits.per_host))
        self._pool = httpcore.ConnectionPool(
            max_connections=self.limits.parallel,
            max_keepalive_connections=self.limits.parallel,
            keepalive_expiry=5.0,
            network_backend=GuardedBackend(allow_private=self.limits.allow_private),
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def stop(self) -> None:
        """End downloads under way in all threads, as failures that may pass, by the next byte or `timeout_s` at the latest."""
        self._over.set()

    def fetch(self, url: str) -> bytes:
        """The bytes behind a URL.

        Raises:
            PassingFailureError: it failed each time in a way that may pass: nobody answers, too slow, the server's fault.
            RejectedImageError: it never will: a wrong URL, an address that is not public, not there, too large, forbidden.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.limits.attempts) | stop_when_event_set(self._over),
            sleep=sleep_using_event(self._over),
            wait=wait_exponential_jitter(initial=self.wait_s, max=self.wait_s * 20, jitter=self.wait_s),
            retry=retry_if_exception_type(PassingFailureError),
            reraise=True,
        )
        return retrying(self._fetch_once, url)

    def answers(self, url: str) -> bool:
        """Whether somebody answers behind a URL, asked once."""
        try:
            self._fetch_once(url)
        except RejectedImageError as error:
            return is_answer(error)
        return True

    def _fetch_once(self, url: str) -> bytes:
        left_s, asked = self.limits.total_s, _parsed(url)
        for _ in range(MAX_REDIRECTS + 1):
            with self._host(
                asked.host
            ):  # waiting for a turn is no fault of the server's and costs the file no time
                started_s = time.monotonic()
                answer = self._ask(asked, started_s + left_s)
                left_s -= time.monotonic() - started_s
            if isinstance(answer, bytes):
                return answer
            asked = _parsed(answer, asked)
        raise RejectedImageError("fetch", f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: httpx.URL, deadline_s: float) -> bytes | str:
        """The body, or where a redirect leads."""
        timeouts = dict.fromkeys(("connect", "read", "write"), self.limits.timeout_s)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [
            ("Host", url.netloc.decode("ascii")),
            ("User-Agent", f"autotag/{__version__}"),
            ("Accept", "image/*"),
            ("Accept-Encoding", "identity"),
        ]
        extensions = {"timeout": timeouts}
        with (
            _told(),
            until(deadline_s, self._over),
            self._pool.stream("GET", target, headers=headers, extensions=extensions) as answer,
        ):
            headers = AnswerHeaders(answer.headers)
            if answer.status in _REDIRECTS and (place := headers.first("location")):
                return place
            refuse_status(answer.status)
            refuse_headers(headers, self.limits.max_bytes)
            return self._body(answer.iter_stream())

    def _body(self, stream: Iterator[bytes]) -> bytes:
        data = bytearray()
        for piece in stream:
            data += piece
            if len(data) > self.limits.max_bytes:
                raise RejectedImageError("fetch", f"more than the {self.limits.max_bytes:,} bytes allowed")
        return bytes(data)

    @contextmanager
    def _host(self, host: str) -> Iterator[None]:
        with self._lock:
            turn = self._hosts[host]
        with turn:
            yield


def _parsed(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL, or where a redirect of `base` leads: either is some stranger's text."""
    try:
        parsed = httpx.URL(urljoin(str(base), url) if base else url.strip())
        host, port = parsed.host, parsed.port  # read here: what no domain name can be is only noticed now
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise RejectedImageError("url", f"no URL ({error})") from error
    if parsed.scheme not in ("http", "https") or not host:
        raise RejectedImageError("url", "no http or https URL")
    if port is not None and not 0 < port <= _LAST_PORT:
        raise RejectedImageError("url", f"no URL (port {port})")
    return parsed


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except httpcore.UnsupportedProtocol as error:
        raise RejectedImageError("fetch", str(error)) from error
    except _FAULTS as error:
        kind = "too slow" if isinstance(error, httpcore.TimeoutException) else type(error).__name__
        raise PassingFailureError("fetch", f"{kind}: {error}".rstrip(": ")[:300]) from error
