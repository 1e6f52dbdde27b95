"""What LanceDB raises, in the catalog's words."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from autotag.errors import CatalogUnavailableError

T = TypeVar("T")

ATTEMPTS = 10
LONGEST_PAUSE_S = 2.0

_CONFLICT = re.compile(r"conflict|concurrent|contention", re.IGNORECASE)
_SOURCE_PLACE = re.compile(r",? ?/\S+\.rs:\d+:\d+")


class ConflictError(CatalogUnavailableError):
    """Another writer was faster, again and again."""


@contextmanager
def told_as_unavailable(where: str) -> Iterator[None]:
    """Failures of the store at `where` become `CatalogUnavailableError`; what is wrong with a question stays what it is."""
    try:
        yield
    except (RuntimeError, OSError, TimeoutError) as error:
        kind = ConflictError if _CONFLICT.search(str(error)) else CatalogUnavailableError
        raise kind(_sentence(where, error)) from error
    except ValueError as error:
        if "was not found" not in str(error):
            raise
        raise CatalogUnavailableError(_sentence(where, error)) from error


def until_nobody_was_faster(write: Callable[[], T]) -> T:
    """What a write gives, tried again after each conflict with another writer.

    Raises:
        ConflictError: a conflict at each of `ATTEMPTS`.
    """
    trying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=LONGEST_PAUSE_S),
        reraise=True,
    )
    return trying(write)


def _sentence(where: str, error: Exception) -> str:
    reason = _SOURCE_PLACE.sub("", " ".join(str(error).split()))[:300]
    return f"the catalog at {where} does not answer ({reason}); see that the place is there and readable, then try again"
