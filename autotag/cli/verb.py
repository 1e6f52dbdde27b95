"""What every verb that runs assets does: look for its inputs, show progress, run, sum up."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from rich.console import Console

from autotag.cli.chatter import chatter_to
from autotag.cli.console import new_console
from autotag.cli.inputs import refuse_missing
from autotag.cli.plain_root import refuse_unwritable
from autotag.cli.progress_bar import progress_bars
from autotag.cli.progress_file import is_wanted, progress_file
from autotag.cli.progress_lines import progress_lines
from autotag.cli.rejected import rejected_of
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
    more: Callable[[], Mapping[str, Any]] = dict,
) -> Outcome:
    """Run a job's assets with progress, and print the summary. Nothing is made before the inputs were looked for.

    Args:
        session: settings.
        job: that has the assets.
        assets: in their order.
        partitions: one, or a range; none of assets without partitions.
        config: of the run, for steps that take some.
        as_json: one JSON object instead of the summary.
        more: what the verb has to say besides; asked once the run has ended well, and only for the object.

    Raises:
        AutotagError: the run failed, or what it starts from is not there.
        KeyboardInterrupt: it was interrupted; standard error says what this run has finished.
    """
    from autotag.pipeline.progress import counting_units

    console = new_console()
    session.refuse_held(job, partitions)
    refuse_missing(session, assets, partitions)
    make_home(session)
    with counting_units() as units:
        through = partial(_shards_of, units.finished, assets, len(partitions))
        made = partial(_shards_of, units.made, assets, len(partitions))
        try:
            with showing_progress(console, assets, through, as_json), chatter_to(session.log):
                outcome = session.materialise(job, assets, partitions, config)
        except KeyboardInterrupt:
            finished = f"{shards} finished in this run; " if (shards := made()) else ""
            sys.stderr.write(f"interrupted: {finished}what was done is kept; run the same command to go on\n")
            raise
    rejected = rejected_of(session.layout, outcome)
    print_summary(console, outcome, as_json, rejected, more() if as_json else {})
    return outcome


def make_home(session: Session) -> None:
    """Make what a command needs before its steps: Dagster's home, in the directory of results.

    Raises:
        UnwritableRootError: it cannot be made; of a plain directory, the message names `--out`.
    """
    if session.root:
        refuse_unwritable(session.layout.data)
    session.make_home()


def showing_progress(
    console: Console, assets: Sequence[str], through: Callable[[], str], as_json: bool
) -> AbstractContextManager[None]:
    """A file where one was named; bars on a terminal, lines elsewhere; nothing for scripts, which take standard error for trouble."""
    if is_wanted():
        return progress_file()
    if as_json:
        return nullcontext()
    return progress_bars(console, assets) if console.is_terminal else progress_lines(through)


def _shards_of(units: Mapping[str, set[str]], assets: Sequence[str], shards: int) -> str:
    """How many shards are through the last step, like "3 of 100 shards"; empty for what has none."""
    return f"{len(units['source_embeddings'])} of {shards} shards" if "source_embeddings" in assets else ""
