"""autotag discover."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import UsageError

if TYPE_CHECKING:
    from autotag.pipeline.discover_tags import Discovered
    from autotag.pipeline.discovered_clusters import Cluster

CLUSTERS_TOLD = 20


def discover(
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder",
            help="The folder's path below the target root; default all folders together.",
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            help="CLUSTER=TAG: add the tag to all images of a cluster that was discovered before. Can be given several times.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Cluster what no tag explains, as proposals for new tags; nothing is tagged until you accept a cluster."""
    session = Session.open(config)
    key = session.folder(folder) if folder else None
    if accept:
        _accept(session, key, accept, as_json)
    else:
        _discover(session, key, as_json)


def _discover(session: Session, key: str | None, as_json: bool) -> None:
    from autotag.pipeline.discover_tags import discover_tags
    from autotag.pipeline.plan import plan_of
    from autotag.storage.locks import folder_lock, held

    plan = plan_of(session.settings)
    with held(folder_lock(session.layout, key)) if key else nullcontext():
        found = discover_tags(plan, key, session.settings)
    if as_json:
        print_json(
            counts=found.counts.as_dict(),
            regions={name: getattr(found.regions, name) for name in found.regions.__dataclass_fields__},
            clusters=[_record(each) for each in found.clusters],
            path=found.path,
            page=found.page,
        )
        return
    _print(Console(), found)


def _accept(session: Session, key: str | None, accept: Sequence[str], as_json: bool) -> None:
    """All or none: every name is looked up before anything is written, as one group."""
    from autotag.pipeline.discovered_clusters import accept_clusters, cluster_named, read_clusters
    from autotag.review.ledger.place import ledger_url, reviewer_name
    from autotag.review.ledger.tag_ledger import TagLedger

    clusters = read_clusters(session.layout, key)
    wanted = []
    for each in accept:
        name, mark, tag = each.partition("=")
        if not mark or not tag.strip():
            raise UsageError(f"--accept {each}: write it like --accept CLUSTER=TAG")
        wanted.append((cluster_named(clusters, name.strip()), tag))
    with TagLedger.open(ledger_url(session.settings, session.layout)) as ledger:
        run_id = accept_clusters(ledger, wanted, reviewer_name(session.settings))
    accepted = {cluster.name: tag.strip() for cluster, tag in wanted}
    images = len({media for cluster, _ in wanted for media in cluster.media_ids})
    if as_json:
        print_json(run_id=run_id, accepted=accepted, images=images)
        return
    console = Console()
    for cluster, tag in wanted:
        told = f"{tag.strip()} added to {len(cluster.media_ids)} images of cluster {cluster.name}"
        console.print(escape(told), highlight=False, soft_wrap=True)
    console.print(f"undo: autotag ledger undo --run {run_id}", highlight=False, soft_wrap=True)


def _print(console: Console, found: "Discovered") -> None:
    counts = found.regions
    table = Table("cluster", "images", "regions", "cohesion", "words", box=None, header_style="bold")
    for each in found.clusters[:CLUSTERS_TOLD]:
        words = ", ".join(word.word for word in each.words)
        sizes = (str(len(each.media_ids)), str(len(each.members)))
        table.add_row(each.name, *sizes, f"{each.cohesion:.2f}", escape(words))
    if found.clusters:
        console.print(table)
    console.print(
        f"{len(found.clusters)} clusters; {counts.taken:,} regions: {counts.explained:,} explained,"
        f" {counts.duplicates:,} copies, {counts.left_out:,} left out, {counts.clustered:,} clustered,"
        f" {counts.alone:,} alone",
        highlight=False,
        soft_wrap=True,
    )
    for note in found.notes:
        console.print(f"[dim]{escape(note)}[/]", highlight=False, soft_wrap=True)
    console.print(f"-> {escape(str(found.path))}", highlight=False, soft_wrap=True)
    place = str(found.page) if "://" in str(found.page) else Path(str(found.page)).as_uri()
    console.print(f"page: {escape(place)}", highlight=False, soft_wrap=True)


def _record(cluster: "Cluster") -> dict[str, Any]:
    return {
        "cluster": cluster.name,
        "images": len(cluster.media_ids),
        "regions": len(cluster.members),
        "cohesion": round(cluster.cohesion, 4),
        "words": [
            {"word": each.word, "score": round(each.score, 4), "source": each.source}
            for each in cluster.words
        ],
        "medoid": {"folder": cluster.members[0].folder, "file": cluster.members[0].file},
    }
