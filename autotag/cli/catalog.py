"""autotag catalog, catalog status, catalog forget, catalog rebuild: the searchable store of all folders' images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from autotag.cli.console import new_console
from autotag.cli.folder_runs import FolderVerb
from autotag.cli.inputs import words_of
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import FolderOf, Out, Root, fail_for, open_folders, open_session, run_verb
from autotag.cli.plain_root import FoundFolders
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from autotag.catalog.protocol import Catalog

TAGS_TOLD = 10

CATALOG = FolderVerb("catalog", ("catalog_entries",), "process_target_job")

catalog_app = typer.Typer(
    help="Bring embedded folders into the catalog, which search looks into; what it holds; forgetting folders.",
    invoke_without_command=True,
)

AllFolders = Annotated[
    bool,
    typer.Option("--all", help="Every embedded folder below the target root; those that are gone leave."),
]


@catalog_app.callback()
def catalog(
    context: typer.Context,
    folder: FolderOf = "",
    every: AllFolders = False,
    root: Root = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Bring embedded folders into the catalog, which search looks into; what it holds; forgetting folders.

    A folder is there once process-target has tagged it. Run this after decisions that search should know of, and for folders
    that were tagged or embedded before there was a catalog.
    """
    if verb := context.invoked_subcommand:
        if folder or every or root or out or config or as_json:
            raise UsageError(f"options go behind {verb}: autotag catalog {verb} ...")
        return
    if every and (folder or root):
        raise UsageError("--all is every folder of the settings; name --folder or --root without it")
    if every:
        session = open_session(None, out, config)
        _forget_gone(session)
        found = _embedded_folders(session)
    else:
        session, found = open_folders(root, folder, out, config, {})
    fail_for(run_verb(session, CATALOG, found, as_json=as_json))


@catalog_app.command()
def status(root: Root = None, out: Out = None, config: Config = None, as_json: AsJson = False) -> None:
    """What the catalog holds: images, objects, the most frequent tags, and how much of it is indexed."""
    session = open_session(root, out, config)
    with _opened(session) as (opened, place):
        size, tags = opened.size(), opened.tags(limit=TAGS_TOLD)
        facts = {"store": opened.capabilities.name, "place": place, "model_id": opened.model_id}
    if as_json:
        print_json(**facts, **asdict(size), tags={each.tag: each.images for each in tags})
        return
    indexed = f"{size.index_rows:,} regions are in the vector index" if size.index_rows else "no vector index"
    _say(f"{size.images:,} images with {size.objects:,} objects, {indexed}")
    if tags:
        _say("most frequent tags: " + ", ".join(f"{each.tag} {each.images:,}" for each in tags))
    _say(f"{opened.capabilities.name}, vectors of {opened.model_id}")
    _say(f"-> {place}")


@catalog_app.command()
def forget(
    folder: Annotated[
        str, typer.Option("--folder", help="The folder's path below the target root, or below --root.")
    ],
    root: Root = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a folder's images out of the catalog. Neither files nor results are touched; folders below it stay."""
    from autotag.pipeline.forget_folders import forget_folders
    from autotag.pipeline.plan import plan_of

    session = open_session(root, out, config)
    key = session.folder_key(folder)
    forgotten = forget_folders(plan_of(session.settings), [key], session.settings)[key]
    if as_json:
        print_json(folder=folder, forgotten=forgotten)
        return
    if not forgotten:
        _say(
            f"{folder}: 0 images forgotten, no such folder is catalogued; those below a folder are named one by one"
        )
    else:
        _say(f"{folder}: {forgotten:,} images forgotten; its files and results are as they were")
        _say(f"to bring it back: autotag catalog {words_of(session, key)}")


@catalog_app.command()
def rebuild(config: Config = None, as_json: AsJson = False) -> None:
    """Lay a catalog on OpenSearch out anew, after a change of its shards or index_from. Searches go on; writes wait."""
    from autotag.catalog.open import rebuild_catalog
    from autotag.pipeline.open_folder_catalog import place_of_catalog
    from autotag.pipeline.plan import loaded_embedder, plan_of

    session = open_session(None, None, config)
    plan = plan_of(session.settings)
    made = rebuild_catalog(session.settings, plan.model_id, loaded_embedder(plan.embedder).dim)
    place = place_of_catalog(plan, session.settings)
    if as_json:
        print_json(images=made.images, place=place, removed=made.removed)
        return
    _say(f"{made.images:,} images are in a new index")
    for each in made.removed:
        _say(f"removed {each}, which an earlier rebuild had left unfinished")
    _say(f"-> {place}")


@contextmanager
def _opened(session: Session) -> "Iterator[tuple[Catalog, str]]":
    """The catalog, and where it lies; it is not made here."""
    from autotag.catalog.open import open_catalog
    from autotag.pipeline.open_folder_catalog import place_of_catalog
    from autotag.pipeline.plan import loaded_embedder, plan_of

    plan = plan_of(session.settings)
    dim = loaded_embedder(plan.embedder).dim
    opened = open_catalog(session.settings, plan.layout, plan.model_id, dim, create=False)
    try:
        yield opened, place_of_catalog(plan, session.settings)
    finally:
        opened.close()


def _embedded_folders(session: Session) -> FoundFolders:
    """Folders below the target root that have vectors.

    Raises:
        MissingInputError: none has.
    """
    from autotag.domain.identity import folder_key
    from autotag.pipeline.discover_folders import target_folder_paths

    keys = [folder_key(path) for path in target_folder_paths(session.layout)]
    embedded = tuple(key for key in keys if session.layout.folder_tables(key).embeddings.exists())
    if not embedded:
        raise MissingInputError(
            f"no folder below {session.top} was embedded yet; run autotag process-target or autotag embed on one first"
        )
    return FoundFolders(embedded, {})


def _forget_gone(session: Session) -> None:
    """What was catalogued and is not there any more."""
    from autotag.defs.retired_folders import forget_gone_of_home
    from autotag.pipeline.plan import plan_of

    session.make_home()
    forget_gone_of_home(plan_of(session.settings), session.settings)


def _say(line: str) -> None:
    new_console().print(escape(line), highlight=False, soft_wrap=True)
