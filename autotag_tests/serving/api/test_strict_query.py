"""Requests are what they say: no unknown names, no numbers for dates, and an answer that costs little whatever is sent."""

import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from autotag.serving.api.strict_query import MOST_UNKNOWN, Date, Query


class Asked(Query):
    """A request of two fields."""

    k: int = 1
    since: Date | None = None


def errors_of(**sent: object) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate(sent)
    return [each["msg"] for each in refused.value.errors()]


def test_an_unknown_name_is_told_those_there_are() -> None:
    assert errors_of(kk=1) == ["there is no such field here; there are k, since"]


def test_a_body_of_unknown_names_is_refused_at_once() -> None:
    """The event loop looks into bodies: nobody else is answered meanwhile."""
    sent = {f"name{number}": 1 for number in range(100_000)}
    started_s = time.monotonic()
    assert len(errors_of(**sent)) == MOST_UNKNOWN
    assert time.monotonic() - started_s < 0.5


@pytest.mark.parametrize("sent", [True, False])
def test_a_truth_value_is_no_number(sent: bool) -> None:
    assert errors_of(k=sent) == ["Value error, true and false mean nothing here"]


@pytest.mark.parametrize("sent", [2024, 1.5, "2024", "tomorrow", "", [], "2024-13-01"])
def test_what_is_no_date_is_none(sent: object) -> None:
    assert errors_of(since=sent) == ["Value error, write a date as 2024-05-01 or 2024-05-01T12:00:00Z"]


def test_a_date_is_one_of_utc_unless_it_says_otherwise() -> None:
    assert Asked(since="2024-05-01").since == datetime(2024, 5, 1, tzinfo=UTC)  # type: ignore[arg-type]
    assert Asked(since="2024-05-01T02:00:00+02:00").since == datetime(2024, 5, 1, tzinfo=UTC)  # type: ignore[arg-type]
    assert errors_of(since="0001-01-01T00:00:00+02:00") == ["Value error, the date lies outside the calendar"]
