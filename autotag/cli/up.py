"""autotag up."""

import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console

from autotag.cli.options import Config
from autotag.cli.session import Session


def up(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
) -> None:
    """Start Dagster's UI and daemon: materialise, backfill, and tag folders as they arrive."""
    session = Session.open(config)
    console = Console()
    console.print(f"UI:      http://{host}:{port}", highlight=False)
    console.print(f"archive: {session.layout.source_shards}", highlight=False)
    console.print(f"drop folders of images into: {session.layout.target}   (Ctrl-C stops)", highlight=False)
    command = [sys.executable, "-m", "dagster", "dev", "-m", "autotag.definitions", "-h", host, "-p", str(port)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
