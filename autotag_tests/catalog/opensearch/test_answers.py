"""Scores and errors inside answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.catalog.opensearch.answers import cosine, whole
from autotag.errors import CatalogUnavailableError, PermanentError


@given(st.floats(-1, 1))
def test_the_cosine_comes_back_out_of_the_score(value: float) -> None:
    assert cosine((1 + value) / 2) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("status", [404, 429, 503])
def test_one_of_several_searches_that_cannot_be_answered_now_is_worth_another_try(status: int) -> None:
    with pytest.raises(CatalogUnavailableError, match="cannot search now: full; try again"):
        whole({"status": status, "error": {"type": "x", "reason": "full"}})


def test_one_that_is_refused_tells_the_innermost_reason() -> None:
    error = {"reason": "outer", "caused_by": {"reason": "middle", "caused_by": {"reason": "inner"}}}
    with pytest.raises(PermanentError, match=r"\(400\): outer: middle: inner"):
        whole({"status": 400, "error": error})


def test_an_answer_that_ran_out_of_time_is_none() -> None:
    with pytest.raises(CatalogUnavailableError):
        whole({"timed_out": True, "_shards": {"failed": 0}, "hits": {"hits": []}})
