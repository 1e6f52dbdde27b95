"""autotag evaluate."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.options import AsJson, Config, Folder
from autotag.cli.session import Session
from autotag.cli.summary import print_json

TAGS_SHOWN = 20


def evaluate(
    folder: Folder,
    truth: Annotated[
        Path, typer.Option(help="Parquet file of the known tags, with the columns file and tags.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare a tagged folder with tags that are known: precision, recall and F1, overall and by tag."""
    from upath import UPath

    from autotag.domain.identity import folder_key
    from autotag.pipeline.evaluate_folder import evaluate_folder
    from autotag.pipeline.plan import plan_of

    plan = plan_of(Session.open(config).settings)
    result = evaluate_folder(plan, folder_key(folder), UPath(truth))
    if result.model_id != plan.model_id:
        sys.stderr.write(
            f"warning: these tags are of {result.model_id}, the settings name {plan.model_id};"
            f" `autotag process-target --folder {shlex.quote(folder)}` tags the folder with the settings' models\n"
        )
    if as_json:
        print_json(**result.as_dict())
        return
    agreement, console = result.agreement, new_console()
    table = Table("", "precision", "recall", "F1", box=None, header_style="bold")
    for name, score in (("micro", agreement.micro), ("macro", agreement.macro)):
        table.add_row(name, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}")
    console.print(table)
    tags = Table("tag", "right", "wrong", "missed", "F1", box=None, header_style="bold")
    for row in sorted(agreement.per_tag, key=lambda row: (-row.support, row.tag))[:TAGS_SHOWN]:
        tags.add_row(escape(row.tag), str(row.tp), str(row.fp), str(row.fn), f"{row.scores.f1:.2f}")
    console.print(tags)
    console.print(
        f"{agreement.images} images compared, {agreement.exact} exactly right; {len(result.only_in_truth)} only in the"
        f" truth, {len(result.only_in_tags)} only among the tags",
        highlight=False,
    )
    console.print(
        f"tags of model {escape(result.model_id)}, voted by index version {escape(result.index_version)}",
        highlight=False,
        soft_wrap=True,
    )
