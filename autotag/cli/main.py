"""The command table. Exit codes: 0 done, 1 failed, 2 wrong use or settings."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from autotag import __version__
from autotag.cli.build_index import build_index
from autotag.cli.catalog import catalog_app
from autotag.cli.console import new_console
from autotag.cli.demo import demo
from autotag.cli.discover import discover
from autotag.cli.evaluate import evaluate
from autotag.cli.fetch import fetch
from autotag.cli.keys import keys_app
from autotag.cli.ledger import ledger_app
from autotag.cli.manifest import manifest
from autotag.cli.plain import COMMANDS
from autotag.cli.progress_file import report_to
from autotag.cli.review import review_app
from autotag.cli.sample import sample
from autotag.cli.search import search
from autotag.cli.serve import serve
from autotag.cli.sidecars import sidecars
from autotag.cli.source import embed_source, segment_source
from autotag.cli.studio import studio
from autotag.cli.target import embed_target, process_target, segment_target, tag_target
from autotag.cli.thresholds import thresholds
from autotag.cli.up import up
from autotag.cli.why import why
from autotag.errors import AutotagError, SettingsError, UsageError

app = typer.Typer(
    name="autotag",
    help="A tagged image archive tags every new folder, and keeps the evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for panel, verbs in {
    "Start here": (demo, up, studio, serve),
    "Archive": (fetch, segment_source, embed_source, build_index),
    "Folders": (process_target, segment_target, embed_target, tag_target),
    "Any directory of images": (*COMMANDS.values(), sidecars, discover),
    "Any images, by words": (manifest,),
    "Look and measure": (search, why, evaluate, thresholds),
}.items():
    for verb in verbs:
        app.command(verb.__name__.replace("_", "-"), rich_help_panel=panel)(verb)
app.add_typer(sample, name="sample", rich_help_panel="Start here")
app.add_typer(keys_app, name="keys", rich_help_panel="Start here")
app.add_typer(catalog_app, name="catalog", rich_help_panel="Folders")
app.add_typer(ledger_app, name="ledger", rich_help_panel="Look and measure")
app.add_typer(review_app, name="review", rich_help_panel="Look and measure")


@app.callback()
def common(
    progress: Annotated[
        Path | None, typer.Option("--progress", hidden=True, help="Write progress to this file, as JSON.")
    ] = None,
) -> None:
    """A tagged image archive tags every new folder, and keeps the evidence."""
    report_to(progress)


@app.command(rich_help_panel="Look and measure")
def version() -> None:
    """Print the version."""
    new_console().print(__version__, highlight=False)


def run() -> None:
    """Entry point: errors of ours are one message, not a trace."""
    try:
        app()
    except AutotagError as error:
        told = f"[bold red]error:[/] {escape(str(error))}"
        new_console(stderr=True).print(told, highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, SettingsError | UsageError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
