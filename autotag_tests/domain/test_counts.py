import pytest

from autotag.domain.counts import StepCounts
from autotag.errors import CountsDoNotCloseError


def test_counts_that_close_pass_and_others_tell_where() -> None:
    assert StepCounts(taken=6, made=3, rejected=2, duplicates=1).close("step").made == 3
    with pytest.raises(
        CountsDoNotCloseError, match=r"step: 6 items in, but 3 out \+ 2 rejected \+ 0 duplicates = 5"
    ):
        StepCounts(taken=6, made=3, rejected=2).close("step")


def test_adding_sums_all_but_seconds() -> None:
    total = StepCounts(seconds=5.0)
    total.add(StepCounts(3, 2, 1, 0, 4, 9, 1, 0, 2, 7.0, {"decode": 1.5}, ["a"]))
    total.add(StepCounts(taken=1, made=1, units=1, stage_ms={"decode": 1.0, "detect": 2.0}, notes=["b"]))
    assert (total.taken, total.made, total.rejected, total.ignored, total.regions) == (4, 3, 1, 4, 9)
    assert (total.units, total.reused, total.seconds) == (2, 2, 5.0)
    assert total.stage_ms == {"decode": 2.5, "detect": 2.0}
    assert total.notes == ["a", "b"]


def test_a_record_comes_back_as_a_unit_that_was_done_before() -> None:
    counts = StepCounts(taken=2, made=2, units=1, seconds=3.0, stage_ms={"decode": 1.0})
    again = StepCounts.from_record(counts.to_record())
    assert (again.taken, again.made, again.resumed, again.seconds, again.stage_ms) == (2, 2, 1, 0.0, {})


def test_rates_are_of_what_came_out() -> None:
    assert StepCounts(made=10, seconds=4.0).images_per_s == 2.5
    assert StepCounts(made=10).images_per_s == 0.0
    assert StepCounts(taken=1, rejected=1).as_dict()["in"] == 1
