"""autotag demo."""

import shlex
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.sample import told
from autotag.cli.search_over import Asked, print_answer, search_catalog
from autotag.cli.session import Session
from autotag.cli.target import JOB, TARGET_PASS
from autotag.cli.verb import run_assets

TABLE_IMAGES = 8
SOUGHT = "a military uniform"
HITS = 5


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Everything is made below it.")] = Path("demo"),
    show: Annotated[
        bool, typer.Option("--open", help="Open the first contact sheet in a browser at the end.")
    ] = False,
) -> None:
    """Sample archive, all assets, two tagged folders, a search, a page to look at. A few minutes, no download."""
    from autotag.samples.photos import make_photo_sample

    console = new_console()
    root = directory.resolve()
    console.rule("1  sample archive")
    made = make_photo_sample(root / "data")
    console.print(told(made), highlight=False)
    settings = root / "autotag.toml"
    if not settings.exists():
        settings.write_text(
            f"[source]\nfirst_shard = 0\nlast_shard = {len(made.shards) - 1}\n", encoding="utf-8"
        )
    session = Session.open(settings)
    console.rule("2  archive: regions and vectors")
    run_assets(session, "source_job", ["source_images", "source_embeddings"], session.shards(None))
    console.rule("3  reference index")
    run_assets(session, "index_job", ["faiss_index"])
    pages = []
    for name in made.folders:
        console.rule(f"4  folder {name}")
        key = session.folder(name)
        run_assets(session, JOB, TARGET_PASS, [key])
        _print_tags(console, session, key)
        pages.append(Path(session.layout.folder_tables(key).sheet.path).as_uri())
    console.rule(f'5  search: "{SOUGHT}"')
    asked = Asked(SOUGHT, HITS)
    print_answer(search_catalog(session, asked), asked, root / "search.html", as_json=False)
    console.rule("look")
    _print_what_next(console, settings, pages, root / "search.html")
    if show and pages:
        webbrowser.open(pages[0])


def _print_tags(console: Console, session: Session, key: str) -> None:
    import json

    document = json.loads(session.layout.folder_tables(key).tags.read_text(encoding="utf-8"))
    table = Table("file", "tags (score, votes)", box=None, header_style="bold")
    for image in document["images"][:TABLE_IMAGES]:
        tags = ", ".join(f"{tag['tag']} ({tag['score']:.2f}, {tag['votes']})" for tag in image["tags"])
        table.add_row(escape(image["file"]), escape(tags) or f"[dim]{escape(image.get('reason', ''))}[/]")
    console.print(table)
    more = len(document["images"]) - TABLE_IMAGES
    if more > 0:
        console.print(f"[dim]and {more} more[/]")


def _print_what_next(console: Console, settings: Path, sheets: list[str], hits: Path) -> None:
    config = shlex.quote(str(settings))
    for sheet in sheets:
        console.print(f"contact sheet: {sheet}", highlight=False, soft_wrap=True)
    lines = {
        "search page": hits.as_uri(),
        "search": f'autotag search "a suit and tie" --over catalog --config {config}',
        "API": f"autotag serve --config {config}      # then http://127.0.0.1:8000/docs",
        "studio": f"autotag studio --config {config}",
        "control room": f"autotag up --config {config}",
    }
    for what, how in lines.items():
        console.print(f"{what + ':':<14} {how}", highlight=False, markup=False, soft_wrap=True)
