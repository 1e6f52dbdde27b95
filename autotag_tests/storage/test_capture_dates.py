import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from autotag.storage.images import probe_image
from autotag_tests.storage.picture_files import LIMITS, encoded, picture

EXIF_PART, DATE, OFFSET = 0x8769, 0x9003, 0x9011


def taken(date: object, offset: object = None, form: str = "JPEG") -> datetime | None:
    """What the header of a picture says that has these EXIF data."""
    exif, values = Image.Exif(), {DATE: date, OFFSET: offset}
    exif.get_ifd(EXIF_PART).update({tag: value for tag, value in values.items() if value is not None})
    exif[EXIF_PART] = exif.get_ifd(EXIF_PART)  # PNG and TIFF are not written from what `get_ifd` gave alone
    return probe_image(encoded(picture(), form, exif=exif), LIMITS).taken_at


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_date_without_an_offset_is_read_as_utc(form: str) -> None:
    assert taken("2019:05:04 12:33:21", form=form) == datetime(2019, 5, 4, 12, 33, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("offset", "hour", "minute"),
    [("+02:00", 10, 33), ("-05:30", 18, 3), ("+0200", 10, 33), ("+00:00", 12, 33), ("+02:00\0", 10, 33)],
)
def test_an_offset_makes_it_a_moment(offset: str, hour: int, minute: int) -> None:
    found = taken("2019:05:04 12:33:21", offset)
    assert found == datetime(2019, 5, 4, hour, minute, 21, tzinfo=UTC)
    assert found is not None
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize("offset", ["   :  ", "Mars", "+99:00", "+02", ""])
def test_an_offset_that_is_none_is_passed_over(offset: str) -> None:
    assert taken("2019:05:04 12:33:21", offset) == datetime(2019, 5, 4, 12, 33, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "date", ["2019:05:04 12:33:21\0", "2019-05-04 12:33:21", "2019:05:04 12:33:21.250", "2019-05-04T12:33:21"]
)
def test_other_spellings_of_a_date_are_read(date: str) -> None:
    assert taken(date) == datetime(2019, 5, 4, 12, 33, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2019:13:04 12:33:21",
        "2019:02:30 12:33:21",
        "2019:05:04 12:33:61",
        "2019:05:04",
        "0001:01:01 00:00:00",
        "1825:12:31 23:59:59",
        "yesterday",
        "",
    ],
)
def test_nonsense_is_no_date(date: str) -> None:
    assert taken(date) is None


def test_the_first_year_of_all_does_not_overflow() -> None:
    assert taken("0001:01:01 00:00:00", "+14:00") is None
    assert taken("9999:12:31 23:59:59", "-14:00") is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_picture_without_exif_data_has_no_date(form: str) -> None:
    assert probe_image(encoded(picture(), form), LIMITS).taken_at is None


def test_exif_data_that_cannot_be_read_cost_the_date_and_not_the_picture() -> None:
    far_away = struct.pack(">HHHLLL", 1, EXIF_PART, 4, 1, 0xFFFF0000, 0)
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08" + far_away)
    header = probe_image(data, LIMITS)
    assert (header.width, header.taken_at) == (40, None)


@given(
    moment=st.datetimes(
        datetime(1826, 1, 2),  # noqa: DTZ001 - Hypothesis wants its bounds bare
        datetime(9998, 12, 30),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_every_moment_comes_back_whatever_the_cameras_time_zone(moment: datetime, minutes: int) -> None:
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
    assert taken(f"{there:%Y:%m:%d %H:%M:%S}", offset) == moment.replace(microsecond=0)
