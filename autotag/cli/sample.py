"""autotag sample photos, autotag sample stamps."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

sample = typer.Typer(help="Make a sample archive and target folders from photographs on this machine.")

Root = Annotated[Path, typer.Option("--dir", help="Data root to make.")]


@sample.command()
def photos(root: Root = Path("data")) -> None:
    """From photographs that installed packages ship."""
    from autotag.samples.photos import make_photo_sample

    _tell(make_photo_sample(root))


@sample.command()
def stamps(
    root: Root = Path("data"),
    stamps_dir: Annotated[
        Path | None, typer.Option("--from", help="Unpacked tuxpaint-stamps-default; default the installed one.")
    ] = None,
) -> None:
    """From Debian's tuxpaint-stamps-default, with ground truth for evaluate."""
    from autotag.samples.stamps import make_stamps_sample

    _tell(make_stamps_sample(root, stamps_dir))


def _tell(summary: object) -> None:
    Console().print(summary)
