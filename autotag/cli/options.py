"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; default autotag.toml here.", show_default=False),
]
Shards = Annotated[
    str | None,
    typer.Option(
        "--shards", help="A range like 00000..00099, both ends included; default all.", show_default=False
    ),
]
Folder = Annotated[str, typer.Option("--folder", help="Path of the folder below the target root.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line, for scripts.")]
