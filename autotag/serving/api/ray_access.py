"""Who may use the API behind the proxies of Ray Serve: where they listen is the cluster's affair, and each request tells it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from autotag.domain.loopback import is_loopback
from autotag.errors import UsageError
from autotag.serving.api.key_file import Keys, keys_for, keys_path
from autotag.serving.api.own_site import KeysInUse
from autotag.serving.api.problems import ProblemError
from autotag.settings import Settings
from autotag.settings.environment import variable
from autotag.storage.roots import layout_of

HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
"""Set to 1 on a cluster whose requests come through HAProxy: it does not tell where from."""


def ray_keys(settings: Settings) -> Keys:
    """The settings' keys, as `keys_for` has them; behind HAProxy one is always needed.

    Raises:
        UsageError: one is needed, and there is none.
        SettingsError: a file that holds no keys.
    """
    layout = layout_of(settings)
    if variable(HAPROXY) != "1":
        return keys_for(settings, layout)
    keys = Keys.of(keys_path(settings, layout), required=True)
    if not keys.list():
        raise UsageError(
            f"{HAPROXY} is set, and there is no access key yet; make one with autotag keys add <name>"
        )
    return keys


class NearOrWithKey:
    """ASGI middleware: while no key is in use, nobody but the machine a proxy runs on is let in."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        """`keys` are those of the API."""
        self._app = app
        self._keys_in_use = KeysInUse(keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        client = scope.get("client") or ("", 0)
        is_far = scope["type"] == "http" and not is_loopback(client[0])
        if is_far and not await self._keys_in_use.now():
            raise ProblemError(
                403,
                "without access keys this API answers to its own machine alone; make one with autotag keys add <name>",
                kind="foreign-client",
            )
        await self._app(scope, receive, send)
