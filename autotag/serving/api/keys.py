"""Who is let in: the dependencies `reads` and `writes` of routes, and `KeyBeforeBody` of those that take JSON.

Where keys are in use a request needs one with the scope. Where none is, the service listens to this machine alone, and what must be
kept out are pages of other sites in a browser here: the edge looks at where such requests come from.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from autotag.serving.api.key_file import Keys
from autotag.serving.api.problems import ProblemError
from autotag.serving.api.stored_keys import Scope

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="access key",
    description="Made by `autotag keys add`; needed as soon as there are keys, or the API listens beyond loopback.",
)

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


async def reads(request: Request, credentials: Credentials) -> None:
    """The request may look.

    Raises:
        ProblemError: 401 without a key that is known, 403 with one that may not.
    """
    _let_in(request, credentials, "read")


async def writes(request: Request, credentials: Credentials) -> None:
    """The request may add and delete.

    Raises:
        ProblemError: as for `reads`.
    """
    _let_in(request, credentials, "write")


class KeyBeforeBody(APIRoute):
    """A route that reads: who has no key is told so whatever the body is. FastAPI looks into a JSON body before it asks dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Called by FastAPI."""
        handle = super().get_route_handler()

        async def let_in_and_handle(request: Request) -> Response:
            await reads(request, await bearer(request))
            return await handle(request)

        return let_in_and_handle


def _let_in(request: Request, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> None:
    keys: Keys | None = request.app.state.keys
    if keys is None or not keys.required:
        return
    if credentials is None:
        raise _unknown(
            "this API wants an access key: send the header Authorization: Bearer <key>", "key-missing"
        )
    key = keys.known(credentials.credentials)
    if key is None:
        raise _unknown("the access key is not known here; it may have been removed", "key-unknown")
    if scope not in key.scopes:
        raise ProblemError(
            403,
            f"the access key may not {scope}; autotag keys add --scope {scope} makes one that may",
            kind="key-without-scope",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


def _unknown(detail: str, kind: str) -> ProblemError:
    return ProblemError(401, detail, kind=kind, headers={"WWW-Authenticate": "Bearer"})
