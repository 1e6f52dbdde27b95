from rich.progress import Progress

from autotag.cli.progress_bar import _Bars
from autotag.domain.counts import StepCounts


def test_a_step_that_is_run_for_the_next_folder_goes_on_where_it_ended() -> None:
    progress = Progress(disable=True)
    bars = _Bars(progress, ["thumbnails"])
    (bar,) = progress.tasks
    bars.started("thumbnails", 10)
    bars.advanced("thumbnails", 4)
    assert (bar.completed, bar.total) == (4, 10)
    bars.finished("thumbnails", StepCounts(taken=10, made=10))
    bars.started("thumbnails", 6)
    bars.advanced("thumbnails", 2)
    assert (bar.completed, bar.total) == (12, 16)
    bars.finished("thumbnails", StepCounts(taken=6, made=6))
    assert (bar.completed, bar.total) == (16, 16)


def test_a_step_that_comes_to_know_its_total_shows_it_for_the_first_folder_and_for_the_next() -> None:
    progress = Progress(disable=True)
    bars = _Bars(progress, ["label_scores"])
    (bar,) = progress.tasks
    bars.started("label_scores", 0)
    assert bar.total is None
    bars.started("label_scores", 10)
    bars.advanced("label_scores", 4)
    assert (bar.completed, bar.total) == (4, 10)
    bars.finished("label_scores", StepCounts(taken=10, made=10))
    bars.started("label_scores", 0)
    bars.started("label_scores", 6)
    bars.advanced("label_scores", 2)
    assert (bar.completed, bar.total) == (12, 16)
