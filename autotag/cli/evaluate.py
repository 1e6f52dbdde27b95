"""autotag evaluate."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from autotag.cli.options import AsJson, Config, Folder
from autotag.cli.session import Session
from autotag.cli.summary import print_json

WORST_TAGS = 15


def evaluate(
    folder: Folder,
    truth: Annotated[Path, typer.Option(help="Parquet with the columns file and tags.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare a folder's tags with known ones: micro and macro precision, recall and F1."""
    from autotag.domain.identity import folder_key
    from autotag.pipeline.evaluate_folder import evaluate_folder

    session = Session.open(config)
    result = evaluate_folder(session.layout, folder_key(folder), truth)
    if as_json:
        print_json(**result.as_dict())
        return
    table = Table("", "precision", "recall", "F1", box=None, header_style="bold")
    for name, score in (("micro", result.micro), ("macro", result.macro)):
        table.add_row(name, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}")
    console = Console()
    console.print(table)
    tags = Table("tag", "right", "wrong", "missed", "F1", box=None, header_style="bold")
    for tag in sorted(result.per_tag, key=lambda t: (-t.support, t.tag))[:WORST_TAGS]:
        tags.add_row(tag.tag, str(tag.tp), str(tag.fp), str(tag.fn), f"{tag.f1:.2f}")
    console.print(tags)
    console.print(f"{result.compared} images compared, {result.only_in_truth} only in the truth,"
                  f" {result.only_in_tags} only among the tags", highlight=False)
