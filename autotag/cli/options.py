"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file; default $AUTOTAG_CONFIG, then autotag.toml in this directory.",
        show_default=False,
    ),
]
Shards = Annotated[
    str | None,
    typer.Option(
        "--shards",
        help="One shard, or a range like 00000..00099, both ends included; default all of the settings.",
        show_default=False,
    ),
]
Folder = Annotated[
    str,
    typer.Option(
        "--folder",
        help="The folder's path below the target root (data/target); the images directly in it, not those of folders below.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line, for scripts.")]
