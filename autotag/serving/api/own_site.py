"""Keeps other sites' pages out where no key does: a browser on this machine reaches the API, whoever wrote the page it shows.

Asking under a foreign name is refused, as a page does whose name was made to point here (DNS rebinding); so is changing anything from
a page of another origin, which needs no leave to send a form.
"""

from urllib.parse import urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from autotag.domain.loopback import is_loopback
from autotag.serving.api.key_file import Keys
from autotag.serving.api.problems import ProblemError

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class KeysInUse:
    """Whether requests need a key, for an event loop: nobody else's stands still while a far file of keys is looked at."""

    def __init__(self, keys: Keys) -> None:
        """`keys` are asked each time: the first one may be added while the server runs."""
        self._keys = keys
        self._looker = CapacityLimiter(1)

    async def now(self) -> bool:
        """As `Keys.required`."""
        if self._keys.is_far_and_due:
            return await run_sync(lambda: self._keys.required, limiter=self._looker)
        return self._keys.required


class OwnSite:
    """ASGI middleware; with keys in use it lets everything through."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        """`keys` are those of the API."""
        self._app = app
        self._keys_in_use = KeysInUse(keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] == "http" and not await self._keys_in_use.now():
            _refuse_strangers(Headers(scope=scope), scope["method"])
        await self._app(scope, receive, send)


def _refuse_strangers(headers: Headers, method: str) -> None:
    host = headers.get("host", "")
    if not is_loopback(_name_of(f"//{host}")):
        raise ProblemError(
            403,
            "without access keys this API answers to 127.0.0.1 and localhost alone; make a key (autotag keys add) to reach it"
            " under another name",
            kind="foreign-host",
        )
    if method in _HARMLESS:
        return
    origin = headers.get("origin")
    is_foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if is_foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ProblemError(
            403,
            "a page of another site may not change anything here; call the API from a program, or use access keys",
            kind="foreign-origin",
        )


def _name_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
