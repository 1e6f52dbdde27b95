"""One line of JSON a request, on standard error, where that is wanted. Questions and contents are not in it."""

import json
import logging
import sys
from datetime import UTC, datetime

from starlette.types import Scope

_log = logging.getLogger(__name__)


def log_requests() -> None:
    """Begin to write the lines; without this there are none."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[:] = [handler]
    _log.propagate = False
    _log.setLevel(logging.INFO)


def log_request(
    scope: Scope, request_id: str, route: str, status: int, seconds: float, sent_bytes: int
) -> None:
    """A request was answered.

    Args:
        scope: of the request; of its address only the path is written, because what follows it is what people look for.
        request_id: see `edge`.
        route: the template that matched; "" where none did.
        status: of the answer.
        seconds: until it was handed over.
        sent_bytes: of the answer's body.
    """
    if not _log.isEnabledFor(logging.INFO):
        return
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": request_id,
        "method": scope["method"],
        "path": scope["path"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "bytes": sent_bytes,
    }
    _log.info(json.dumps(line))
