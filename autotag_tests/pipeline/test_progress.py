from autotag.domain.counts import StepCounts
from autotag.pipeline.progress import StepProgress, counting_units, listening

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


class Told:
    """Writes down what a listener is told."""

    def __init__(self) -> None:
        self.words: list[tuple[str, int]] = []

    def started(self, step: str, total: int) -> None:
        self.words.append((f"{step} of", total))

    def advanced(self, step: str, done: int) -> None:
        self.words.append((f"{step} done", done))

    def finished(self, step: str, counts: StepCounts) -> None:
        self.words.append((f"{step} finished", counts.taken))


def test_a_step_without_units_tells_its_total_when_it_knows_it_and_then_only_what_is_done() -> None:
    told = Told()
    with listening(told):
        scores = StepProgress("scores", 0, [])
        scores.reached(0, 9)
        scores.reached(4, 9)
        scores.reached(9, 9)
        scores.close(StepCounts(taken=9, made=9))
    assert told.words == [
        ("scores of", 0),
        ("scores of", 9),
        ("scores done", 0),
        ("scores done", 4),
        ("scores done", 9),
        ("scores finished", 9),
    ]
