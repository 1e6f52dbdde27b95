"""Where a page of an answer ended, as a short text that the next request carries."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from autotag.errors import UsageError

LONGEST_KEY = 2000
"""Characters of a place: those of archive images hold their names, which may be long."""

_HIGHEST = 2.0
"""A score is a cosine; a store may round it a little beyond 1."""

_REMEDY = "give the `next` of the page before as it was, or nothing for the first page"


@dataclass(frozen=True, slots=True)
class RankedKey:
    """The last image of a page of ranked ones.

    Attributes:
        score: its score.
        image_id: its id.
        seen: images up to it.
    """

    score: float
    image_id: str
    seen: int

    def text(self) -> str:
        """For the request."""
        return _packed(["r", self.score, self.image_id, self.seen])

    @staticmethod
    def of(text: str) -> "RankedKey":
        """Read it.

        Raises:
            UsageError: it is none.
        """
        match _unpacked(text):
            case ["r", float() | int() as score, str(image_id), int(seen)] if (
                -_HIGHEST <= score <= _HIGHEST and 0 < seen < 2**31
            ):
                return RankedKey(float(score), image_id, seen)
            case _:
                raise UsageError(f"{text[:80]!r} is no place in a ranked answer; {_REMEDY}")


@dataclass(frozen=True, slots=True)
class NewestKey:
    """The last image of a page of images by date."""

    date: datetime
    image_id: str

    def text(self) -> str:
        """For the request."""
        return _packed(["n", self.date.astimezone(UTC).isoformat(), self.image_id])

    @staticmethod
    def of(text: str) -> "NewestKey":
        """Read it.

        Raises:
            UsageError: it is none.
        """
        match _unpacked(text):
            case ["n", str(date), str(image_id)]:
                try:
                    return NewestKey(datetime.fromisoformat(date).astimezone(UTC), image_id)
                except (ValueError, OverflowError):
                    pass
        raise UsageError(f"{text[:80]!r} is no place in an answer by date; {_REMEDY}")


def _packed(parts: list[object]) -> str:
    # Names of archive images may hold bytes that are no UTF-8, which Python keeps as halves of characters.
    data = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpacked(text: str) -> object:
    try:
        data = base64.b64decode(text[:LONGEST_KEY] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return json.loads(data)
    except (binascii.Error, ValueError, OverflowError, RecursionError):
        return None
