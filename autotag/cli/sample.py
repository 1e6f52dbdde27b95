"""autotag sample photos, autotag sample stamps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from autotag.cli.console import new_console
from autotag.cli.options import AsJson
from autotag.cli.summary import print_json

if TYPE_CHECKING:
    from autotag.samples.writer import SampleSummary

sample = typer.Typer(help="Make a sample archive, with folders to tag, of pictures on this machine.")

Root = Annotated[Path, typer.Option("--dir", help="Data root to make.")]


@sample.command()
def photos(root: Root = Path("data"), as_json: AsJson = False) -> None:
    """Of photographs that installed packages ship, with known tags of one folder, for evaluate."""
    from autotag.samples.photos import make_photo_sample

    _print(make_photo_sample(root), as_json)


@sample.command()
def stamps(
    root: Root = Path("data"),
    stamps_dir: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Where tuxpaint-stamps-default is unpacked; default where Debian installs it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Of the photographs in Debian's tuxpaint-stamps-default, with known tags for evaluate."""
    from autotag.samples.stamps import make_stamps_sample

    _print(make_stamps_sample(root, stamps_dir), as_json)


def told(made: "SampleSummary") -> str:
    """What was made, in one sentence."""
    folders = ", ".join(f"{name} ({count} images)" for name, count in made.folders.items())
    return (
        f"{made.images} images with {made.tags} tags in {len(made.shards)} shards; folders to tag: {folders}"
    )


def _print(made: "SampleSummary", as_json: bool) -> None:
    if as_json:
        print_json(
            path=made.root.resolve(),
            kind=made.kind,
            images=made.images,
            tags=made.tags,
            shards=made.shards,
            folders=made.folders,
            size_bytes=made.size_bytes,
        )
        return
    console = new_console()
    console.print(told(made), highlight=False)
    console.print(f"-> {escape(str(made.root.resolve()))}", highlight=False, soft_wrap=True)
