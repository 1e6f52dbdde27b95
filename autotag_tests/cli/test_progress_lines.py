from autotag.cli.progress_lines import _Lines
from autotag.domain.counts import StepCounts


def test_a_step_that_comes_to_know_its_total_is_still_the_same_step() -> None:
    lines = _Lines(lambda: "")
    lines.started("label_scores", 0)
    lines._step.started_s -= 100  # type: ignore[union-attr]
    lines.started("label_scores", 40)
    lines.advanced("label_scores", 10)
    assert lines.line().startswith("label_scores: 10 of 40 images, ")
    assert lines.line().endswith("100 s")
    lines.finished("label_scores", StepCounts(taken=40, made=40))
    assert lines.line() == ""
    lines.started("label_scores", 7)
    assert lines.line() == "label_scores: 0 s"
