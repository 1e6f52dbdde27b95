"""Requests to OpenSearch: what is worth another try gets one, and what fails is said in the catalog's own errors."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)

from autotag.errors import CatalogUnavailableError, PermanentError, SettingsError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch, TransportError

T = TypeVar("T")

BUSY = frozenset({408, 429, 502, 503, 504})
"""Statuses, of requests and of items, that may be gone a moment later."""

_READ_ATTEMPTS = 3
_WRITE_ATTEMPTS = 8
_WRITE_PATIENCE = 6
"""A write may take this many times as long as a read: it carries vectors and waits until searches see them."""

_CONNECTIONS = 16
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True)
class Calls:
    """A client with manners.

    Attributes:
        client: safe to use from several threads.
        place: the cluster's address without a password, for messages.
        timeout_s: longest wait for an answer to a read.
    """

    client: "OpenSearch"
    place: str
    timeout_s: float

    def read(self, ask: Callable[[float], T]) -> T:
        """What `ask(request timeout in seconds)` answers, asked again while the time for it lasts.

        Raises:
            CatalogUnavailableError: no answer, or that it cannot now.
            PermanentError: the request is refused.
        """
        stop = stop_any(stop_after_attempt(_READ_ATTEMPTS), stop_before_delay(self.timeout_s))
        return self._retrying(stop)(self.once, ask, self.timeout_s)

    def write(self, ask: Callable[[float], T]) -> T:
        """The same with the patience of writes, for what may be done twice."""
        return self.persist(lambda: self.once(ask, self.timeout_s * _WRITE_PATIENCE))

    def write_once(self, ask: Callable[[float], T]) -> T:
        """The same, asked a single time: for those who look before they ask again."""
        return self.once(ask, self.timeout_s * _WRITE_PATIENCE)

    def persist(self, attempt: Callable[[], T]) -> T:
        """What `attempt` returns, called again with growing waits while it raises CatalogUnavailableError."""
        return self._retrying(stop_after_attempt(_WRITE_ATTEMPTS))(attempt)

    def once(self, ask: Callable[[float], T], timeout_s: float) -> T:
        """What `ask` answers, with errors translated."""
        from opensearchpy import SerializationError, TransportError

        try:
            return ask(timeout_s)
        except TransportError as error:
            raise self._translated(error) from error
        except SerializationError as error:  # half an answer, or a proxy's page
            raise CatalogUnavailableError(
                f"what answers at {self.place} is no OpenSearch just now; try again"
            ) from error

    def _translated(self, error: "TransportError") -> Exception:
        status = error.status_code
        if not isinstance(status, int):
            return CatalogUnavailableError(
                f"OpenSearch at {self.place} does not answer ({error.error}); try again"
            )
        if status in BUSY:
            return CatalogUnavailableError(
                f"OpenSearch at {self.place} cannot answer now ({status}); try again"
            )
        if status in (401, 403):
            return SettingsError(
                f"OpenSearch at {self.place} refuses the user ({status}); check the name and password in catalog.url"
            )
        if status == 404 and error.error == "index_not_found_exception":
            return CatalogUnavailableError(
                f"the catalog's index is not on {self.place} any more; fill the catalog again"
            )
        return PermanentError(
            f"OpenSearch at {self.place} refused a request ({status}): {reason_of(error.info)}"
        )

    @staticmethod
    def _retrying(stop: Any) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(CatalogUnavailableError),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            stop=stop,
            reraise=True,
        )


def connect(url: str, timeout_s: float) -> Calls:
    """A client of the cluster at `url`; nothing is asked yet.

    Raises:
        SettingsError: no URL, or one that is none.
    """
    from opensearchpy import OpenSearch

    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("no cluster")
    except ValueError:  # also brackets that do not close, and a port that is no number
        raise SettingsError(
            "catalog.url does not name an OpenSearch cluster; write it like https://user:password@host:9200"
        ) from None
    # It logs each failed request with its traceback; those that matter end in an error of ours.
    logging.getLogger("opensearch").setLevel(logging.CRITICAL)
    # Retries are ours alone: the client's own come at once and would double each wait.
    client = OpenSearch([url], timeout=timeout_s, max_retries=0, pool_maxsize=_CONNECTIONS)
    return Calls(client, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", timeout_s)


def reason_of(answer: Any) -> str:
    """The sentence in an answer's error, whole request or item; the innermost cause where there is one."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error)
    if isinstance(cause := error.get("caused_by"), dict):
        return f"{error.get('reason', '')}: {reason_of(cause)}"
    if roots := error.get("root_cause"):
        return str(roots[0].get("reason"))
    return str(error.get("reason", error))
