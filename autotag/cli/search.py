"""autotag search."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autotag.cli.options import AsJson, Config
from autotag.cli.search_over import Asked, print_answer, search_catalog, search_reference
from autotag.cli.session import Session
from autotag.cli.store import Store, search_in
from autotag.errors import UsageError


class Place(StrEnum):
    """Where to look."""

    catalog = "catalog"
    reference = "reference"


def search(
    query: Annotated[
        str,
        typer.Argument(
            help="What to look for, in words; may be left out beside an image, and over the catalog: the newest images."
        ),
    ] = "",
    k: Annotated[int, typer.Option("-k", help="Images wanted.")] = 10,
    over: Annotated[
        Place, typer.Option("--over", help="The tagged archive, or the catalog of your own folders.")
    ] = Place.reference,
    image: Annotated[Path | None, typer.Option("--image", help="Look for images like this file.")] = None,
    folder: Annotated[
        str, typer.Option("--folder", help="Catalog: only this folder and those below it.")
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Catalog: only images with this tag. Can be given several times."),
    ] = None,
    class_name: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="Catalog: only images with an object of this class, or of another given."
        ),
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option("--min-confidence", min=0, max=1, help="Catalog: least confidence of that object."),
    ] = 0.0,
    objects: Annotated[
        bool, typer.Option("--objects", help="Look for objects, and show all boxes that match.")
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", min=-1, max=1, help="Least score; default: what stands out from chance."),
    ] = None,
    store: Store = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with the pictures found.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find images by words, by an image or by filters: in the archive, in your folders, or with --store in a retrieval store."""
    asked = Asked(
        query, k, image, folder, tuple(tag or ()), tuple(class_name or ()), min_confidence, objects, min_score
    )
    if store is not None:
        if asked != Asked(query, k) or over is not Place.reference:
            raise UsageError("--store goes with words, -k and --html alone")
        search_in(store, query, k, config, html=html, as_json=as_json)
        return
    session = Session.open(config)
    run = search_catalog if over is Place.catalog else search_reference
    print_answer(run(session, asked), asked, html, as_json=as_json)
