"""autotag discover."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.discover_accept import accept_named
from autotag.cli.inputs import words_of
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import Labels, Out, Root, Threshold, label_settings, open_session
from autotag.cli.session import Session
from autotag.cli.summary import place_of
from autotag.cli.verb import run_assets

if TYPE_CHECKING:
    from autotag.pipeline.discovered_clusters import Cluster

CLUSTERS_TOLD = 20
OF_A_FOLDER, OF_ALL = ("review_job", "tag_discovery"), ("discovery_job", "tag_discovery_of_all")
"""Job and asset that look through one folder, and through all together."""


def discover(
    root: Root = None,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder",
            help="Only this folder, named as for the other verbs; default all folders together.",
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
    labels: Labels = None,
    threshold: Threshold = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Cluster what no tag explains, as proposals for new tags; nothing is tagged until you accept a cluster."""
    session = open_session(root, out, config, label_settings(labels, threshold))
    key = session.folder(folder) if folder else None
    if accept:
        accept_named(session, key, accept, as_json=as_json)
    else:
        _discover(session, key, as_json=as_json)


def _discover(session: Session, key: str | None, *, as_json: bool) -> None:
    """Materialise the asset, and show what it found."""
    job, asset = OF_ALL if key is None else OF_A_FOLDER
    config = {"ops": {asset: {"config": {"options": words_of(session, key)}}}}
    partitions = [] if key is None else [key]
    run_assets(session, job, [asset], partitions, config, as_json=as_json, more=lambda: _record(session, key))
    if not as_json:
        _print(new_console(), session, key)


def _print(console: Console, session: Session, key: str | None) -> None:
    from autotag.pipeline.discovered_clusters import page_path, read_clusters, read_counts

    clusters, counts = read_clusters(session.layout, key), read_counts(session.layout, key)
    table = Table("cluster", "images", "regions", "cohesion", "words", box=None, header_style="bold")
    for each in clusters[:CLUSTERS_TOLD]:
        words = ", ".join(word.word for word in each.words)
        sizes = (str(len(each.media_ids)), str(len(each.members)))
        table.add_row(each.name, *sizes, f"{each.cohesion:.2f}", escape(words))
    if clusters:
        console.print(table)
    console.print(
        f"{len(clusters)} clusters; {counts.taken:,} regions: {counts.explained:,} explained,"
        f" {counts.duplicates:,} copies, {counts.left_out:,} left out, {counts.clustered:,} clustered,"
        f" {counts.alone:,} alone",
        highlight=False,
        soft_wrap=True,
    )
    page = place_of(str(page_path(session.layout, key)))
    console.print(f"page: {escape(page)}", highlight=False, soft_wrap=True)


def _record(session: Session, key: str | None) -> dict[str, Any]:
    """For scripts."""
    from autotag.pipeline.discovered_clusters import clusters_path, page_path, read_clusters, read_counts

    counts = read_counts(session.layout, key)
    return {
        "regions": {name: getattr(counts, name) for name in counts.__dataclass_fields__},
        "clusters": [_cluster(each) for each in read_clusters(session.layout, key)],
        "path": clusters_path(session.layout, key),
        "page": page_path(session.layout, key),
    }


def _cluster(cluster: "Cluster") -> dict[str, Any]:
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
