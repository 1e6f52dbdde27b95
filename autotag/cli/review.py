"""autotag review import."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from autotag.cli.console import new_console
from autotag.cli.inputs import words_of
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import Labels, Out, Root, label_settings, open_session
from autotag.cli.session import Session
from autotag.cli.summary import print_json

if TYPE_CHECKING:
    from autotag.review.sheet.import_report import ImportReport

TOLD = 10
"""Rows and labels told by name; all of them with --json."""

review_app = typer.Typer(help="What people decided outside of the page.", no_args_is_help=True)


@review_app.callback()
def _review() -> None:
    """What people decided outside of the page."""


@review_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A review.csv whose approved_labels were edited.")],
    root: Root = None,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder",
            help="Folder of all rows, named as for the other verbs; default by the rows' paths.",
            show_default=False,
        ),
    ] = None,
    labels: Labels = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where somebody decided otherwise since the export.")
    ] = False,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Take labels that nobody knows yet.")
    ] = False,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take an edited review sheet into the ledger: labels added are approved, labels removed are rejected."""
    from autotag.pipeline.plan import plan_of
    from autotag.review.ledger.place import ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger
    from autotag.review.sheet.importing import ImportOptions, import_sheet
    from autotag.review.sheet.label_names import LabelNames, known_labels

    session = open_session(root, out, config, label_settings(labels))
    settings, layout = session.settings, session.layout
    options = ImportOptions(session.folder_key(folder) if folder else None, dry_run, force, new_labels)
    with TagLedger.open(ledger_url(settings, layout), must_exist=dry_run) as ledger:
        names = LabelNames(lambda: known_labels(settings, layout, plan_of(settings).model_id, ledger))
        report = import_sheet(layout, ledger, file, names, options)
    if as_json:
        print_json(**report.as_dict())
        return
    _print(new_console(), report, session)


def _print(console: Console, report: "ImportReport", session: Session) -> None:
    from autotag.domain.ledger_entries import Action

    outcomes = report.outcomes
    lines = [
        f"{report.rows:,} rows: {outcomes['imported']:,} imported, {outcomes['unchanged']:,} unchanged,"
        f" {outcomes['already']:,} already so, {outcomes['conflicting']:,} conflicting, {outcomes['rejected']:,} refused",
        f"{report.edits:,} labels changed: {report.decided(Action.APPROVE):,} approved, {report.decided(Action.ADD):,}"
        f" added, {report.decided(Action.REJECT):,} rejected, {report.already_so:,} already so,"
        f" {len(report.conflicts):,} conflicting",
        f"{report.exported:,} images exported, {report.missing:,} of them without a row: left as they are",
    ]
    lines += _named("refused", [f"line {row.line}, {row.file}: {row.reason}" for row in report.rejected])
    lines += _named(
        "unknown labels", [f"{label} ({rows})" for label, rows in report.unknown_labels.most_common()]
    )
    lines += _named("new labels", [f"{label} ({rows})" for label, rows in report.new_labels.most_common()])
    lines += _named(
        "somebody decided otherwise since the export; --force decides as the sheet says",
        [
            f"{each.file}: {each.conflict.wanted} {each.conflict.tag}, but it was {each.conflict.standing} by"
            f" {each.conflict.decided_by}"
            for each in report.conflicts
        ],
    )
    lines.append(_closing(report, session))
    console.print(escape("\n".join(lines)), highlight=False, soft_wrap=True)


def _named(head: str, items: list[str]) -> list[str]:
    """Some by name, and how many more there are."""
    if not items:
        return []
    more = [f"  and {len(items) - TOLD:,} more; --json tells them all"] if len(items) > TOLD else []
    return [f"{head}:", *(f"  {item}" for item in items[:TOLD]), *more]


def _closing(report: "ImportReport", session: Session) -> str:
    if report.is_dry_run:
        return "dry run: nothing was written"
    if not report.run_id:
        return "nothing to import: the ledger is as it was"
    undo = f"autotag ledger undo --run {report.run_id} {words_of(session)}".rstrip()
    return f"run {report.run_id}; `{undo}` takes it back"
