import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.errors import UsageError
from autotag.search.page_keys import LONGEST_KEY, NewestKey, RankedKey


@given(st.floats(-1, 1), st.text(max_size=40), st.integers(1, 10**6))
def test_a_place_in_a_ranked_answer_is_read_as_it_was_written(score: float, name: str, seen: int) -> None:
    key = RankedKey(score, name, seen)
    assert RankedKey.of(key.text()) == key
    assert key.text().isascii()


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=40))
def test_a_place_in_an_answer_by_date_is_read_as_it_was_written(date: datetime, name: str) -> None:
    key = NewestKey(date, name)
    assert NewestKey.of(key.text()) == key


@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_anything_else_is_refused(text: str) -> None:
    for kind in (RankedKey, NewestKey):
        with pytest.raises(UsageError, match=r"no place in an?"):
            kind.of(text)


def test_places_of_the_other_kind_of_answer_are_refused() -> None:
    with pytest.raises(UsageError, match="no place in a ranked answer"):
        RankedKey.of(NewestKey(datetime(2024, 1, 1, tzinfo=UTC), "a").text())
    with pytest.raises(UsageError, match="no place in an answer by date"):
        NewestKey.of(RankedKey(0.5, "a", 3).text())


@pytest.mark.parametrize(
    "name", ["00000/" + "図書館" * 150, "00000/" + "k" * 1000, "00000/half \udcff of a character"]
)
def test_places_among_archive_images_with_long_or_foreign_names_fit_a_request(name: str) -> None:
    key = RankedKey(0.123456, name, 10**6)
    assert len(key.text()) <= LONGEST_KEY
    assert RankedKey.of(key.text()) == key


@pytest.mark.parametrize("score", ["1" + "0" * 400, "1e999", "NaN", "-3"])
def test_a_score_that_no_cosine_has_is_refused(score: str) -> None:
    text = base64.urlsafe_b64encode(f'["r",{score},"a",1]'.encode()).decode().rstrip("=")
    with pytest.raises(UsageError, match="no place in a ranked answer"):
        RankedKey.of(text)
