"""autotag sidecars: approved tags into XMP sidecars beside the images; what would be written; and taking a run back."""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autotag.cli.console import new_console
from autotag.cli.folder_runs import FolderVerb
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import FolderOf, Out, Root, fail_for, open_folders, run_verb
from autotag.cli.plain_root import FoundFolders
from autotag.cli.session import Session
from autotag.cli.sidecar_lines import print_diff, print_failed, print_written, shown
from autotag.cli.sidecars_undo import undo_folders
from autotag.cli.summary import print_json
from autotag.errors import AutotagError, SettingsError, UsageError

if TYPE_CHECKING:
    from autotag.review.sidecars.folder import FolderSidecars

ASSET = "xmp_sidecars"

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show which keywords would come and go. Nothing is written.")
]
SavePlan = Annotated[
    Path | None,
    typer.Option("--save-plan", help="With --dry-run: keep it in this file, for --plan.", show_default=False),
]
Plan = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        help="A kept dry run: only what it said is written, and no sidecar that another program has changed since.",
        show_default=False,
    ),
]
SetDamagedAside = Annotated[
    bool,
    typer.Option(
        "--set-damaged-aside",
        help="Keep a sidecar that is no XMP as NAME.xmp.damaged, and write a new one in its place.",
    ),
]
Undo = Annotated[
    str | None,
    typer.Option(
        "--undo",
        metavar="RUN",
        help="Take this run's sidecars back, byte for byte; last = each folder's last run.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for beside the folders: a kept dry run, and what is to become of damaged sidecars."""

    plan: Path | None = None
    set_damaged_aside: bool = False


def sidecars(
    root: Root = None,
    folder: FolderOf = "",
    dry_run: DryRun = False,
    save_plan: SavePlan = None,
    plan: Plan = None,
    set_damaged_aside: SetDamagedAside = False,
    undo: Undo = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write approved tags into XMP sidecars beside the images. The images are never touched, and a run can be undone."""
    if undo is not None and (dry_run or save_plan or plan or set_damaged_aside):
        raise UsageError("--undo goes with none of --dry-run, --save-plan, --plan and --set-damaged-aside")
    if save_plan and not dry_run:
        raise UsageError("--save-plan keeps a dry run: give --dry-run as well")
    session, found = open_folders(root, folder, out, config, {})
    asked = Asked(plan, set_damaged_aside)
    if undo is not None:
        undo_folders(session, found, undo, as_json=as_json)
    elif dry_run:
        show_folders(session, found, asked, save_plan, as_json=as_json)
    else:
        options = {"--root": root, "--folder": folder, "--out": out, "--config": config}
        told = " ".join(f"{name} {shlex.quote(str(given))}" for name, given in options.items() if given)
        write_folders(session, found, asked, told, as_json=as_json)


def write_folders(
    session: Session, found: FoundFolders, asked: Asked, options: str, *, as_json: bool
) -> None:
    """Write the folders' sidecars, through the asset.

    Args:
        session: settings.
        found: which folders.
        asked: what else is asked for.
        options: how the command found the folders, for the line that says how to undo.
        as_json: one JSON object instead of lines.

    Raises:
        AutotagError: no folder can be written with these settings.
        typer.Exit: some folders failed; standard error names each.
    """
    wanted: dict[str, Any] = {"plan": str(asked.plan.absolute())} if asked.plan else {}
    wanted |= {"set_damaged_aside": True} if asked.set_damaged_aside else {}
    run_config = {"ops": {ASSET: {"config": wanted}}} if wanted else {}
    runs = run_verb(
        session, FolderVerb("sidecars", (ASSET,), "sidecars_job", run_config), found, as_json=as_json
    )
    for folder, outcome in runs.made.items() if not as_json else ():
        for entry in outcome.materialised:
            print_written(new_console(), folder, entry.facts, options)
    fail_for(runs)


def show_folders(
    session: Session, found: FoundFolders, asked: Asked, save_plan: Path | None, *, as_json: bool
) -> None:
    """Show what would be written; nothing is, but for the plan where one is to be kept.

    Raises:
        SettingsError: settings that no folder can be looked at with.
        UnwritableRootError: the plan cannot be written.
        typer.Exit: some folders cannot be looked at; standard error names each.
    """
    from autotag.review.sidecars.plan_file import write_plan

    planned, failed = _looked_at(session, found, asked)
    if save_plan and planned:
        write_plan(save_plan, planned)
    if as_json:
        folders = {shown(key): _record(each) for key, each in planned.items()}
        print_json(dry_run=True, folders=folders, failed=failed)
    else:
        for key, each in planned.items():
            print_diff(new_console(), shown(key), each)
    if failed:
        print_failed(failed, found)
        raise typer.Exit(1)


def _looked_at(
    session: Session, found: FoundFolders, asked: Asked
) -> "tuple[dict[str, FolderSidecars], dict[str, str]]":
    """What would be written, by folder key, and why other folders cannot be looked at, by their path."""
    from autotag.review.sidecars.folder import folder_sidecars
    from autotag.review.sidecars.plan import SidecarWishes
    from autotag.review.sidecars.plan_file import read_plan

    planned: dict[str, FolderSidecars] = {}
    failed: dict[str, str] = {}
    for key in found.keys:
        try:
            expected = read_plan(str(asked.plan), key) if asked.plan else None
            wishes = SidecarWishes(expected, asked.set_damaged_aside)
            planned[key] = folder_sidecars(session.layout, session.settings, key, wishes, dry_run=True)
        except SettingsError:
            raise
        except AutotagError as error:
            failed[shown(key)] = str(error)
    return planned, failed | dict(found.unreadable)


def _record(found: "FolderSidecars") -> dict[str, Any]:
    from autotag.review.sidecars.folder import sidecar_record

    counts = found.counts(ASSET)
    states = Counter(each.state for each in found.sidecars)
    totals = {"in": counts.taken, "out": counts.made, "rejected": counts.rejected}
    records = [sidecar_record(each) for each in found.sidecars]
    return {**states, **totals, "place": found.place, "notice": found.notice, "sidecars": records}
