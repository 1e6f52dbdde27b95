"""Runs a verb's assets folder by folder: each folder is a failure of its own, and what was done is logged and summed up."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotag.cli.chatter import chatter_to
from autotag.cli.command_log import CommandLog
from autotag.cli.console import new_console
from autotag.cli.inputs import refuse_missing
from autotag.cli.run_outcome import Outcome
from autotag.cli.session import Session
from autotag.cli.verb import showing_progress
from autotag.domain.identity import folder_path
from autotag.errors import AutotagError, SettingsError
from autotag.storage.folder_files import printable


@dataclass(frozen=True, slots=True)
class FolderVerb:
    """What a verb materialises.

    Attributes:
        name: of the verb.
        assets: in their order.
        job: that has them.
        config: of the run, for steps that take some.
    """

    name: str
    assets: tuple[str, ...]
    job: str = "review_job"
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class FolderRuns:
    """What became of each folder, by its path below the target root.

    Attributes:
        made: what its steps made; of a folder that failed, those that ended well.
        failed: why it failed.
    """

    made: dict[str, Outcome] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Folders that did not fail."""
        return len(self.made.keys() - self.failed.keys())


def run_folders(
    session: Session, verb: FolderVerb, keys: Sequence[str], log: CommandLog, *, as_json: bool
) -> FolderRuns:
    """Run a verb over folders, one after another, on one instance; models are loaded once.

    Raises:
        SettingsError: settings that no folder can be done with.
        KeyboardInterrupt: it was interrupted; standard error says how far it was.
    """
    runs, console = FolderRuns(), new_console()

    def through() -> str:
        begun = len(runs.made.keys() | runs.failed.keys()) + 1
        return f"folder {min(begun, len(keys)):,} of {len(keys):,}"

    try:
        with (
            showing_progress(console, verb.assets, through, as_json),
            chatter_to(session.log),
            session.keeping_instance(),
        ):
            for key in keys:
                _run_folder(session, verb, key, log, runs)
    except KeyboardInterrupt:
        done = f"{runs.done:,} of {len(keys):,} folders are done"
        sys.stderr.write(f"interrupted: {done}; what was done is kept; run the same command to go on\n")
        raise
    return runs


def _run_folder(session: Session, verb: FolderVerb, key: str, log: CommandLog, runs: FolderRuns) -> None:
    folder = printable(folder_path(key))
    failure: BaseException | None = None
    try:
        session.refuse_held(verb.job, [key])
        refuse_missing(session, verb.assets, [key])
        outcome, failure = session.attempt(verb.job, verb.assets, [key], dict(verb.config))
        runs.made[folder] = outcome
        for entry in outcome.materialised:
            log.step(folder, entry.asset, entry.facts)
    except AutotagError as error:
        failure = error
    if failure is None:
        return
    log.failure(folder, str(failure) or type(failure).__name__)
    if isinstance(failure, SettingsError) or not isinstance(failure, AutotagError):
        raise failure
    runs.failed[folder] = str(failure)
