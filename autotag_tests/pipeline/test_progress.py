from autotag.domain.counts import StepCounts
from autotag.pipeline.progress import StepProgress, counting_units

MADE = StepCounts(taken=1, made=1, units=1)
RESUMED = StepCounts(taken=1, made=1, units=1, resumed=1)


def test_units_are_collected_by_step_and_those_done_before_are_told_apart() -> None:
    with counting_units() as units:
        StepProgress("images", 0, []).unit_done("a", MADE)
        regions = StepProgress("regions", 0, [])
        regions.unit_done("a", RESUMED)
        regions.unit_done("b", MADE)
    StepProgress("regions", 0, []).unit_done("c", MADE)  # nobody collects any more
    assert units.finished == {"images": {"a"}, "regions": {"a", "b"}}
    assert units.made == {"images": {"a"}, "regions": {"b"}}


def test_a_step_that_is_tried_again_finishes_its_units_once_and_has_made_what_its_first_attempt_made() -> (
    None
):
    with counting_units() as units:
        StepProgress("regions", 0, []).unit_done("a", MADE)
        again = StepProgress("regions", 0, [])
        again.unit_done("a", RESUMED)
        again.unit_done("b", MADE)
    assert units.finished == units.made == {"regions": {"a", "b"}}
