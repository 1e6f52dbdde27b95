"""autotag ledger undo, diff, history, runs: who said what of which image, and how to take it back."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.inputs import words_of
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import Out, Root, open_session
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from autotag.review.ledger.tag_ledger import TagLedger

ledger_app = typer.Typer(
    help="Who said what of which image: history, runs, and taking a run back.", no_args_is_help=True
)

RunArgument = Annotated[str, typer.Argument(help="A run's id; `autotag ledger runs` lists them.")]


@ledger_app.command()
def undo(
    run: Annotated[str, typer.Option("--run", help="Id of a run, a click, an import, or an undo.")],
    root: Root = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make the tags as if a run had not happened. Nothing is deleted, and an undo can be undone."""
    from autotag.review.ledger.place import reviewer_name

    session = open_session(root, out, config)
    with _opened(session) as ledger:
        counts = ledger.undo(run, reviewer_name(session.settings))
    if as_json:
        print_json(undone=run, **asdict(counts))
        return
    _say(
        f"{run} is undone: {counts.withdrawn:,} proposals withdrawn, {counts.proposed:,} proposed again,"
        f" {counts.cleared:,} decisions cleared, {counts.decided:,} earlier decisions hold again"
    )
    _say(f"to bring it back: autotag ledger undo --run {counts.run_id} {words_of(session)}".rstrip())


@ledger_app.command()
def diff(
    run_a: RunArgument,
    run_b: RunArgument,
    root: Root = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tags that two runs proposed differently, for the images that both looked at."""
    with _opened(open_session(root, out, config)) as ledger:
        changes, compared = ledger.diff(run_a, run_b), ledger.compared(run_a, run_b)
    if as_json:
        told = [each._asdict() for each in changes]
        print_json(run_a=run_a, run_b=run_b, changes=told, compared=asdict(compared))
        return
    table = _table("image", "tag", "source", "score A", "score B")
    for each in changes:
        scores = (_score(each.score_a), _score(each.score_b))
        table.add_row(each.media_id, escape(each.tag), escape(each.source), *scores)
    if compared.sources:
        _print(table, "the two runs proposed the same for every image that both looked at")
        _say(f"compared: {', '.join(compared.sources)}, of {compared.images:,} images that both looked at")
    else:
        _say("nothing to compare: there is no image that both runs looked at for the same source")
    for run, sources in ((run_a, compared.only_a), (run_b, compared.only_b)):
        if sources:
            _say(f"left out: {', '.join(sources)}, for which only {run} looked at them")


@ledger_app.command()
def history(
    file: Annotated[
        Path, typer.Argument(help="An image file, wherever it lies now: its bytes are what counts.")
    ],
    root: Root = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """All that was ever said of an image, also before it was moved, copied or renamed."""
    session = open_session(root, out, config)
    media_id = _media_id(file)
    with _opened(session) as ledger:
        events = ledger.history(media_id)
        tags = ledger.effective([media_id])[media_id]
    if as_json:
        print_json(
            file=str(file),
            media_id=media_id,
            tags=[asdict(each) for each in tags],
            events=[asdict(each) for each in events],
        )
        return
    table = _table("when (UTC)", "who", "what", "tag", "source", "score", "run")
    for each in events:
        cells = (each.actor, each.action.value, each.tag, each.source, _score(each.score), each.run_id)
        table.add_row(f"{each.at:%Y-%m-%d %H:%M:%S}", *map(escape, cells))
    _print(table, f"the ledger holds nothing of {file}")
    for each in tags:
        _say(f"{each.standing.value}: {each.tag}" + (f", by {each.decided_by}" if each.decided_by else ""))


@ledger_app.command()
def runs(root: Root = None, out: Out = None, config: Config = None, as_json: AsJson = False) -> None:
    """All runs, clicks, imports and undos, oldest first."""
    with _opened(open_session(root, out, config)) as ledger:
        every = ledger.runs()
    if as_json:
        print_json(runs=[asdict(each) for each in every])
        return
    table = _table("run", "kind", "who", "when (UTC)", "source", "images", "events", "")
    for each in every:
        counted = ", ".join(f"{count:,} {action}" for action, count in sorted(each.events.items()))
        note = (
            f"undone by {each.undone_by}"
            if each.undone_by
            else f"undoes {each.undoes}"
            if each.undoes
            else ""
        )
        cells = (
            each.run_id,
            each.kind,
            each.actor,
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            ", ".join(each.sources),
            f"{each.images:,}",
            counted,
            note,
        )
        table.add_row(*map(escape, cells))
    _print(table, "the ledger holds no runs")


@contextmanager
def _opened(session: Session) -> "Iterator[TagLedger]":
    from autotag.review.ledger.place import ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger

    with TagLedger.open(ledger_url(session.settings, session.layout), must_exist=True) as ledger:
        yield ledger


def _media_id(file: Path) -> str:
    """Of a file's bytes, as `autotag.domain.identity.media_id` names them, without holding them all."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise MissingInputError(f"{file} is not there; give the path of an image file") from error
    except OSError as error:
        raise UsageError(
            f"{file}: cannot be read ({error.strerror}); give the path of an image file"
        ) from error


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, header_style="bold")


def _print(table: Table, nothing: str) -> None:
    """A table as wide as its cells: ids are there to be copied."""
    console = new_console()
    if not table.row_count:
        _say(nothing)
        return
    table.width = console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).maximum
    console.print(table, soft_wrap=True)


def _say(line: str) -> None:
    new_console().print(line, highlight=False, markup=False, soft_wrap=True)


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


_UNBOUNDED = 1000
