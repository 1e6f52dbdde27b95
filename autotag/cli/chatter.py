"""Keeps what libraries and their processes say on standard error out of a command's own words."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotag.models.hub import LOGGER

MAX_BYTES = 10_000_000


@contextmanager
def chatter_to(log: Path) -> Iterator[None]:
    """Send standard error, also of native code and child processes, to the end of a file inside the block.

    Ray's core and its workers write there past every logging level. A command's own errors are raised, and
    printed after the block. That weights are looked for on their hub, which may take minutes, is still told where it was.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > MAX_BYTES:
        log.replace(log.with_suffix(".old.log"))
    sys.stderr.flush()
    real = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        with _telling(LOGGER, real):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)


@contextmanager
def _telling(logger: str, descriptor: int) -> Iterator[None]:
    """Have what a logger says written to a file descriptor, which stays open."""
    with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as stream:
        handler = logging.StreamHandler(stream)
        logging.getLogger(logger).addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger(logger).removeHandler(handler)
