"""When a photograph was taken, as its EXIF data say. What is no date is none: cameras without a clock write all kinds of things."""

import re
from datetime import UTC, datetime, timedelta

from PIL import Image

FIRST_YEAR = 1826
"""Of the oldest photograph there is; what is dated earlier was never set."""

_EXIF_PART = 0x8769
_DATE_TIME_ORIGINAL = 0x9003
_OFFSET_TIME_ORIGINAL = 0x9011
_DATE = re.compile(r"(\d{4})[:/-](\d{2})[:/-](\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:[.,]\d+)?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_MOST_MINUTES = 14 * 60
"""No time zone is further from UTC."""


def capture_date(exif: Image.Exif) -> datetime | None:
    """DateTimeOriginal in UTC, to the second; None where there is none, or what stands there is no date.

    With OffsetTimeOriginal, the moment; without one, or with one that is none, the camera's clock is read as UTC.
    """
    part = exif.get_ifd(_EXIF_PART)
    date = _DATE.fullmatch(_text(part.get(_DATE_TIME_ORIGINAL)))
    if date is None:
        return None
    try:
        taken = datetime(*map(int, date.groups()), tzinfo=UTC) - _offset(
            _text(part.get(_OFFSET_TIME_ORIGINAL))
        )
    except (ValueError, OverflowError):  # a 13th month, or the year 0
        return None
    return taken if taken.year >= FIRST_YEAR else None


def _offset(told: str) -> timedelta:
    """East of Greenwich; nothing where it is no offset."""
    match = _OFFSET.fullmatch(told)
    minutes = int(match[2]) * 60 + int(match[3]) if match else 0
    if match is None or minutes > _MOST_MINUTES:
        return timedelta()
    return timedelta(minutes=-minutes if match[1] == "-" else minutes)


def _text(value: object) -> str:
    """An ASCII field, without the zeros and spaces that fill it up."""
    told = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return told.strip("\0 ") if isinstance(told, str) else ""
