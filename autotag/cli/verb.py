"""What every verb that runs assets does: show progress, run, sum up."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from autotag.cli.chatter import chatter_to
from autotag.cli.progress_bar import progress_bars
from autotag.cli.run_outcome import Outcome
from autotag.cli.session import Session
from autotag.cli.summary import print_summary


def run_assets(
    session: Session,
    job: str,
    assets: Sequence[str],
    partitions: Sequence[str] = (),
    config: dict[str, Any] | None = None,
    *,
    as_json: bool = False,
) -> Outcome:
    """Run a job's assets with progress bars on a terminal, and print the summary.

    Raises:
        AutotagError: the run failed.
        KeyboardInterrupt: it was interrupted.
    """
    console = Console()
    quiet = as_json or not console.is_terminal
    with progress_bars(console, assets, quiet=quiet), chatter_to(session.log):
        outcome = session.materialise(job, assets, partitions, config)
    print_summary(console, outcome, as_json)
    return outcome
