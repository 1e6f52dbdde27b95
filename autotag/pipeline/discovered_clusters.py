"""Clusters of regions that nothing explains: kept, read again, and made tags of where a person says so."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.identity import folder_path
from autotag.domain.ledger_entries import Action, Decision
from autotag.domain.schemas import CLUSTERS
from autotag.domain.unexplained import DiscoveryCounts, regions_evidence
from autotag.errors import MissingInputError, UsageError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.layout import Layout
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table

TABLE = "clusters"


@dataclass(frozen=True, slots=True)
class ClusterWord:
    """A word that may name a cluster: its score, and who said it ("vocabulary", "detector" or "remote")."""

    word: str
    score: float
    source: str


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """A region: folder by its key, file, media id, index and box in pixels of the image."""

    folder: str
    file: str
    media_id: str
    region_index: int
    box_xyxy_px: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Regions that are alike and that nothing explains.

    Attributes:
        name: changes with any member.
        cohesion: mean cosine of the members to their centre.
        words: that may name it; may be empty.
        members: the nearest to the centre first; the first is the medoid.
    """

    name: str
    cohesion: float
    words: tuple[ClusterWord, ...]
    members: tuple[ClusterMember, ...]

    @property
    def media_ids(self) -> list[str]:
        """Of its images, each once, in the order of the members."""
        return list(dict.fromkeys(member.media_id for member in self.members))

    @property
    def one_an_image(self) -> list[ClusterMember]:
        """Of each image the member nearest to the centre, in the order of the members."""
        nearest: dict[str, ClusterMember] = {}
        for member in self.members:
            nearest.setdefault(member.media_id, member)
        return list(nearest.values())


def clusters_path(layout: Layout, key: str | None) -> UPath:
    """Table of a folder's clusters; of all folders' together without a key."""
    return (layout.discovery_of_all if key is None else layout.discovery(key)) / "clusters.parquet"


def page_path(layout: Layout, key: str | None) -> UPath:
    """Page that shows them."""
    return clusters_path(layout, key).with_name("discovery.html")


def write_clusters(path: UPath, clusters: Sequence[Cluster], stamp: Stamp, counts: DiscoveryCounts) -> None:
    """Write the table; the counts go into its stamp."""
    rows = [
        {
            "cluster": each.name,
            "images": len(each.media_ids),
            "regions": len(each.members),
            "cohesion": each.cohesion,
            "words": [_plain(word) for word in each.words],
            "members": [_plain(member) for member in each.members],
        }
        for each in clusters
    ]
    stamp.extra["counts"] = _plain(counts)
    write_table(path, pa.Table.from_pylist(rows, schema=CLUSTERS), CLUSTERS, stamp)


def folder_options(key: str | None) -> str:
    """What `autotag discover` finds a folder by; empty for all folders together."""
    return "" if key is None else f"--folder {shlex.quote(folder_path(key))}"


def read_counts(layout: Layout, key: str | None) -> DiscoveryCounts:
    """What became of the regions in the last discovery; of an empty one where nothing was discovered yet."""
    stamp = read_stamp(clusters_path(layout, key))
    return DiscoveryCounts(**stamp.extra["counts"]) if stamp else DiscoveryCounts()


def read_clusters(layout: Layout, key: str | None, options: str = "") -> list[Cluster]:
    """The clusters of the last discovery, the largest first.

    Args:
        layout: every path.
        key: of the folder; None for all together.
        options: what the command in the message finds the folder by; default `folder_options`.

    Raises:
        MissingInputError: nothing was discovered yet.
    """
    path = clusters_path(layout, key)
    if not path.exists():
        command = f"autotag discover {options or folder_options(key)}".rstrip()
        raise MissingInputError(f"{path} is not there; run `{command}` first")
    return [_cluster(row) for row in read_table(path).to_pylist()]


def cluster_named(clusters: Sequence[Cluster], name: str) -> Cluster:
    """The one cluster whose name begins so.

    Raises:
        UsageError: none does, or several do.
    """
    found = [each for each in clusters if name and each.name.startswith(name)]
    if len(found) != 1:
        known = ", ".join(each.name for each in clusters[:20]) or "none"
        told = "no cluster is" if not found else "several clusters are"
        raise UsageError(
            f"{told} called {name!r}; there are: {known}. Names change when a discovery finds other members"
        )
    return found[0]


def accept_cluster(ledger: TagLedger, cluster: Cluster, tag: str, by: str) -> str:
    """Add a tag to all images of a cluster, as one decision of a person. It rests on the cluster's regions, which it explains.

    Args:
        ledger: where it is written.
        cluster: whose images.
        tag: of any wording; surrounding space is taken off.
        by: who says so.

    Returns:
        The run id, with which the ledger takes it all back.

    Raises:
        UsageError: no tag.
        InUseError: another process kept the ledger locked.
    """
    return accept_clusters(ledger, [(cluster, tag)], by)


def accept_clusters(ledger: TagLedger, accepted: Sequence[tuple[Cluster, str]], by: str) -> str:
    """As `accept_cluster` for several clusters with a tag each, all in one transaction and undone together."""
    for cluster, tag in accepted:
        if not tag.strip():
            raise UsageError(f"no tag for cluster {cluster.name}; say what its images show")
    regions: dict[tuple[str, str], list[int]] = {}
    for cluster, tag in accepted:
        for member in cluster.members:
            regions.setdefault((member.media_id, tag.strip()), []).append(member.region_index)
    words = [
        Decision(media, tag, Action.ADD, regions_evidence(numbers))
        for (media, tag), numbers in regions.items()
    ]
    return ledger.decide(words, by)


def _cluster(row: dict[str, Any]) -> Cluster:
    members = (
        ClusterMember(**{**each, "box_xyxy_px": tuple(each["box_xyxy_px"])}) for each in row["members"]
    )
    words = tuple(ClusterWord(**each) for each in row["words"])
    return Cluster(row["cluster"], row["cohesion"], words, tuple(members))


def _plain(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
