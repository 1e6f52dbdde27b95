"""autotag discover --accept: clusters that a person has named become tags."""

from collections.abc import Sequence

from rich.markup import escape

from autotag.cli.console import new_console
from autotag.cli.inputs import words_of
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import UsageError


def accept_named(session: Session, key: str | None, accepted: Sequence[str], *, as_json: bool) -> None:
    """Add tags to the images of clusters, as one group: all or none, for every name is looked up before anything is written.

    Args:
        session: where clusters and ledger are.
        key: of the folder that was looked through; None for all together.
        accepted: like "3f9ac01d=heron".
        as_json: one JSON object instead of lines.

    Raises:
        UsageError: one is not of this form, or names no cluster, or several.
        MissingInputError: nothing was discovered yet.
        InUseError: another process kept the ledger locked.
    """
    from autotag.pipeline.discovered_clusters import accept_clusters, cluster_named, read_clusters
    from autotag.review.ledger.place import ledger_url, reviewer_name
    from autotag.review.ledger.tag_ledger import TagLedger

    clusters = read_clusters(session.layout, key, words_of(session, key))
    wanted = []
    for each in accepted:
        name, mark, tag = each.partition("=")
        if not mark or not tag.strip():
            raise UsageError(f"--accept {each}: write it like --accept CLUSTER=TAG")
        wanted.append((cluster_named(clusters, name.strip()), tag))
    with TagLedger.open(ledger_url(session.settings, session.layout)) as ledger:
        run_id = accept_clusters(ledger, wanted, reviewer_name(session.settings))
    if as_json:
        images = len({media for cluster, _ in wanted for media in cluster.media_ids})
        tags = {cluster.name: tag.strip() for cluster, tag in wanted}
        print_json(run_id=run_id, accepted=tags, images=images)
        return
    lines = [
        f"{tag.strip()} added to {len(cluster.media_ids)} images of cluster {cluster.name}"
        for cluster, tag in wanted
    ]
    lines.append(f"undo: autotag ledger undo --run {run_id} {words_of(session)}".rstrip())
    new_console().print(escape("\n".join(lines)), highlight=False, soft_wrap=True)
