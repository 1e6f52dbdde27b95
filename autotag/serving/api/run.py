"""Serves the API from this process until it is told to stop; what was begun by then is brought to an end."""

import ctypes
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from autotag.serving.api.app import create_app
from autotag.serving.api.key_file import Keys
from autotag.serving.api.request_log import log_requests
from autotag.serving.api.service import open_service
from autotag.settings import Settings

GRACE_S = 30
"""How long requests under way have when the server is told to stop."""

KEEP_ALIVE_S = 15
"""How long an idle connection stays: longer than the pause between two searches of a person at a page."""

BACKLOG = 256
MOST_CONNECTIONS = 2048
"""Connections, idle ones too; the application itself answers far fewer requests at a time."""


_M_ARENA_MAX = -8
_ARENAS = 2
"""Heaps of glibc. With eight a core, its own choice, what many threads free stays scattered over all of them, and memory grows."""


def serve(settings: Settings, keys: Keys, *, log: bool, told: Callable[[], None]) -> None:
    """Open the service and answer requests until SIGTERM or SIGINT; a second one does not wait for those under way.

    Args:
        settings: `serve.host` and `serve.port` say where.
        keys: who is let in.
        log: write a line a request to standard error.
        told: called once it listens.

    Raises:
        AutotagError: the service cannot be opened.
    """
    _limit_heaps()
    if log:
        log_requests()
    run(create_app(open_service(settings), keys), settings.serve.host, settings.serve.port, told)


def run(app: FastAPI, host: str, port: int, told: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    # Once it has ended in good order the server sends itself the signal again, as if nobody had listened.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with suppress(KeyboardInterrupt):
        _Telling(config, told).run()


def _limit_heaps() -> None:
    """Where the C library is another one there is nothing to limit."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


class _Telling(uvicorn.Server):
    """Says when it listens; told twice to stop, it stops without a word."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.force_exit:  # what is broken off now is what was asked for, and no error
            logging.getLogger("uvicorn").setLevel(logging.CRITICAL)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()
