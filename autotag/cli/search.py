"""autotag search."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.summary import print_json


def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.")],
    k: Annotated[int, typer.Option("-k", help="Images wanted.")] = 10,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find archive images by words, through the reference index."""
    from autotag.pipeline.plan import loaded_embedder, plan_of
    from autotag.search.archive_search import search_archive
    from autotag.search.reference_reader import open_reference

    session = Session.open(config)
    plan = plan_of(session.settings)
    reference = open_reference(plan.layout, plan.model_id)
    hits = search_archive(reference, loaded_embedder(plan.embedder), query, k)
    if as_json:
        print_json(
            query=query, index_version=reference.manifest.version, hits=[hit.as_dict() for hit in hits]
        )
        return
    table = Table("", "score", "shard", "key", "region", "tags", box=None, header_style="bold")
    for hit in hits:
        region = "image" if hit.kind == "image" else str(list(hit.box_xyxy_px))
        cells = (hit.shard, hit.key, region, ", ".join(hit.tags))
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *map(escape, cells))
    Console().print(table if hits else "nothing found")
