"""autotag sidecars --undo: a run's sidecars taken back, folder by folder."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from autotag.cli.console import new_console
from autotag.cli.plain_root import FoundFolders
from autotag.cli.session import Session
from autotag.cli.sidecar_lines import print_failed, print_undone, shown
from autotag.cli.summary import print_json
from autotag.errors import AutotagError, MissingInputError, SidecarError

if TYPE_CHECKING:
    from autotag.review.sidecars.undo import UndoneSidecar


def undo_folders(session: Session, found: FoundFolders, run: str, *, as_json: bool) -> None:
    """Take a run's sidecars back, or each folder's last run.

    Raises:
        MissingInputError: no folder has such a run.
        SidecarError: some sidecars were changed since; the others were taken back.
        typer.Exit: some folders failed; standard error names each.
    """
    undone, failed = _taken_back(session, found, run)
    every = [each for sidecars in undone.values() for each in sidecars]
    states = Counter(each.state.replace(" ", "_") for each in every)
    if as_json:
        folders = {shown(key): [asdict(each) for each in sidecars] for key, sidecars in undone.items()}
        print_json(undone=run, **states, folders=folders, failed=failed)
    else:
        for key, sidecars in undone.items():
            print_undone(new_console(), shown(key), sidecars)
    if failed:
        print_failed(failed, found)
    if refused := states["refused"]:
        raise SidecarError(
            f"{refused:,} of {len(every):,} sidecars were changed since run {run} and left as they are; the others were"
            " taken back"
        )
    if failed:
        raise typer.Exit(1)


def _taken_back(
    session: Session, found: FoundFolders, run: str
) -> "tuple[dict[str, list[UndoneSidecar]], dict[str, str]]":
    """What was taken back, by folder key, and why other folders failed, by their path.

    Raises:
        MissingInputError: every folder could be looked at, and none has such a run.
    """
    from autotag.review.sidecars.folder import undo_folder_sidecars
    from autotag.storage.locks import folder_lock, held

    undone: dict[str, list[UndoneSidecar]] = {}
    failed: dict[str, str] = {}
    missing: MissingInputError | None = None
    for key in found.keys:
        try:
            with held(folder_lock(session.layout, key)):
                undone[key] = undo_folder_sidecars(session.layout, key, run)
        except MissingInputError as error:  # a run is one folder's; others need not know it
            missing = error
        except AutotagError as error:
            failed[shown(key)] = str(error)
    failed |= found.unreadable
    if missing and not undone and not failed:
        raise missing
    return undone, failed
