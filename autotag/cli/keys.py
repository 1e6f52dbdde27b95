"""autotag keys add, list, remove: who may use the API."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from upath import UPath

    from autotag.serving.api.key_file import Keys

keys_app = typer.Typer(
    help="Access keys of the API: who may search, who may add images.", no_args_is_help=True
)


class Allowed(StrEnum):
    """What a key allows."""

    read = "read"
    write = "write"


Name = Annotated[str, typer.Argument(help="Who or what the key is for.")]


@keys_app.command()
def add(
    name: Name,
    scope: Annotated[
        list[Allowed] | None,
        typer.Option("--scope", help="What it allows; can be given several times. Default: read."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    keys, path = _opened(config)
    scopes = [each.value for each in scope or [Allowed.read]]
    key = keys.add(name, scopes)
    if as_json:
        print_json(name=name.strip(), scopes=scopes, key=key, path=str(path))
        return
    _say(key)
    _note(f"{name.strip()} may {' and '.join(scopes)}. Keep the key: it is not shown again.")
    _note("requests send it as: Authorization: Bearer <key>")
    _note(f"-> {path}")


@keys_app.command("list")
def list_keys(config: Config = None, as_json: AsJson = False) -> None:
    """Who has a key, and what it allows."""
    keys, path = _opened(config)
    every = keys.list()
    if as_json:
        told = [{"name": each.name, "scopes": each.scopes, "added_at": each.added_at} for each in every]
        print_json(keys=told, path=str(path))
        return
    if not every:
        _say(f"no keys in {path}: the API listens on 127.0.0.1 only, to everybody on this machine")
        return
    table = Table("name", "allows", "added (UTC)", box=None, header_style="bold")
    for each in every:
        table.add_row(escape(each.name), ", ".join(each.scopes), escape(each.added_at.removesuffix("+00:00")))
    new_console().print(table)


@keys_app.command()
def remove(name: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Make a key worthless; a running server knows within seconds."""
    keys, path = _opened(config)
    try:
        keys.remove(name)
    except MissingInputError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json(removed=name, path=str(path))
        return
    _say(f"{name} is removed")


def _opened(config: Path | None) -> "tuple[Keys, UPath]":
    from autotag.serving.api.key_file import Keys, keys_path

    session = Session.open(config)
    path = keys_path(session.settings, session.layout)
    return Keys.of(path), path


def _say(line: str) -> None:
    new_console().print(line, highlight=False, markup=False, soft_wrap=True)


def _note(line: str) -> None:
    """Beside the key, so that standard output holds the key alone."""
    new_console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
