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
