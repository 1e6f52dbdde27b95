"""What every verb that runs assets does: open the session, show progress, run, sum up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from autotag.cli.progress_bar import progress_bars
from autotag.cli.session import Outcome, Session
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
    """Run a job's assets with a progress bar and print the summary.

    Raises:
        AutotagError: the run failed.
    """
    console = Console(stderr=as_json)
    with progress_bars(console, quiet=as_json or not console.is_terminal):
        outcome = session.materialise(job, assets, partitions, config)
    print_summary(console, outcome, as_json)
    return outcome


def open_session(config: Path | None) -> Session:
    """The session of a command."""
    return Session.open(config)
