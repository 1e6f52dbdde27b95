"""What embed, build-index, search and manifest do with a retrieval store."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from autotag.cli.chatter import chatter_to
from autotag.cli.console import new_console
from autotag.cli.summary import print_json
from autotag.cli.verb import showing_progress
from autotag.domain.counts import StepCounts
from autotag.errors import UsageError
from autotag.settings import Settings

if TYPE_CHECKING:
    from autotag.storage.store_layout import StoreLayout

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="A retrieval store, made by autotag manifest: a directory, or a URI of an object store.",
        show_default=False,
    ),
]

_UNBOUNDED = 10_000


def open_store(named: str, config: Path | None) -> tuple[Settings, "StoreLayout"]:
    """The settings, with images taken as wholes, and the store's paths; nothing is made.

    Raises:
        UsageError: a store that cannot be one.
        SettingsError: the settings file.
    """
    from upath import UPath

    from autotag.storage.store_layout import StoreLayout
    from autotag.storage.without_pandas import leave_pandas_alone

    leave_pandas_alone()
    settings = Settings.load(config, {"models.detector": "whole"})
    if not named.strip():
        raise UsageError("--store is empty; name a directory")
    if "://" in named:
        return settings, StoreLayout(UPath(named, use_listings_cache=False))
    root = Path(named).expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise UsageError(f"--store {named}: that is a file; name a directory")
    return settings, StoreLayout(UPath(root))


def embed_into(store: str, config: Path | None, *, as_json: bool) -> None:
    """Embed the images of a store that the settings' embedder has not embedded yet."""
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.retrieval.embed_store import embed_store
    from autotag.pipeline.retrieval.store_manifest import refuse_no_manifest

    settings, layout = open_store(store, config)
    refuse_no_manifest(layout)
    plan = plan_of(settings)
    with working(layout, "embed", as_json):
        counts = embed_store(plan, settings, layout)
    rejects = str(layout.embedding_rejects(plan.model_id)) if counts.rejected else None
    path = layout.embeddings(plan.model_id)
    print_step("embed", counts, as_json=as_json, model_id=plan.model_id, path=str(path), rejects=rejects)


def index_of(store: str, config: Path | None, *, as_json: bool) -> None:
    """Release an index over a store's vectors."""
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.retrieval.index_store import StoreIndexOptions, index_store
    from autotag.pipeline.retrieval.store_manifest import refuse_no_manifest

    settings, layout = open_store(store, config)
    refuse_no_manifest(layout)
    plan = plan_of(settings)
    index = settings.index
    options = StoreIndexOptions(
        plan.model_id,
        index.memory_budget_mib << 20,
        settings.ray.num_cpus,
        index.keep_versions,
        plan.layout.model_cache / "stores",
    )
    with working(layout, "build-index", as_json):
        released = index_store(layout, options)
    release = released.release
    facts: dict[str, Any] = {
        "model_id": plan.model_id,
        "index_version": release.version,
        "path": str(released.directory),
    }
    if release.without_vector:
        facts["without_vector"] = release.without_vector
    print_step("build-index", released.counts, as_json=as_json, **facts)


def search_in(
    store: str, query: str, k: int, config: Path | None, *, html: Path | None, as_json: bool
) -> None:
    """Find images of a store by words."""
    from upath import UPath

    from autotag.pipeline.plan import loaded_embedder, plan_of
    from autotag.pipeline.retrieval.hits_page import write_hits_page
    from autotag.search.store_index import open_store_index
    from autotag.search.store_search import search_store

    settings, layout = open_store(store, config)
    plan = plan_of(settings)
    index = open_store_index(layout, plan.model_id, plan.layout.model_cache / "stores")
    hits = search_store(index, loaded_embedder(plan.embedder), query, k)
    page = UPath(html.expanduser().absolute()) if html else None
    if page is not None:
        write_hits_page(page, query, hits, index.release, plan.limits)
    if as_json:
        told = {"page": str(page)} if page is not None else {}
        print_json(
            query=query, index_version=index.release.version, hits=[hit.as_dict() for hit in hits], **told
        )
        return
    table = Table("", "score", "file", box=None, header_style="bold")
    for hit in hits:
        table.add_row(str(hit.rank), f"{hit.score:.3f}", escape(hit.file))
    console = new_console()
    # As wide as its paths: they are there to be copied.
    table.width = console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).maximum
    console.print(table, soft_wrap=True)
    if page is not None:
        console.print(f"-> {escape(str(page))}", highlight=False, soft_wrap=True)


def print_step(step: str, counts: StepCounts, *, as_json: bool, **facts: Any) -> None:
    """Counts of a step, and facts that are not None: a few lines, or one JSON object."""
    told = {name: value for name, value in facts.items() if value is not None}
    if as_json:
        print_json(step=step, **counts.as_dict(), **told)
        return
    console = new_console()
    parts = [f"{counts.taken:,} in", f"{counts.made:,} out", f"{counts.rejected:,} rejected"]
    parts += [f"{counts.duplicates:,} duplicates"] if counts.duplicates else []
    parts += [f"{counts.reused:,} unchanged and reused"] if counts.reused and not counts.resumed else []
    parts += ["unchanged: nothing to do"] if counts.resumed else [f"{counts.seconds:.1f} s"]
    console.print(f"{step}: {', '.join(parts)}", highlight=False, soft_wrap=True)
    for note in counts.notes:
        console.print(f"[dim]{escape(note)}[/]", highlight=False, soft_wrap=True)
    if "without_vector" in told:
        console.print(
            f"{told['without_vector']:,} images of the manifest have no vector yet: autotag embed --store ...",
            highlight=False,
            soft_wrap=True,
        )
    for name, head in {"rejects": "rejects: ", "path": "-> ", "next": "next: "}.items():
        if name in told:
            console.print(f"{head}{escape(told[name])}", highlight=False, soft_wrap=True)


@contextmanager
def working(store: "StoreLayout", step: str, as_json: bool) -> Iterator[None]:
    """As `showing_work`, with libraries' chatter in the store's log."""
    from autotag.storage.roots import is_local, make_directory

    make_directory(store.root)
    chatter = chatter_to(Path(store.log.path)) if is_local(store.root) else nullcontext()
    with showing_work(step, as_json), chatter:
        yield


@contextmanager
def showing_work(step: str, as_json: bool) -> Iterator[None]:
    """Progress while a step works; an interruption says that nothing is lost."""
    nothing: Callable[[], str] = str
    try:
        with showing_progress(new_console(), [step], nothing, as_json):
            yield
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what was done is kept; run the same command to go on\n")
        raise
