"""Audit of what a discovery left behind."""

from autotag.domain.unexplained import DiscoveryCounts
from autotag.errors import CountsDoNotCloseError
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.discovered_clusters import clusters_path, read_clusters
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_stamp


def audit_clusters(plan: PipelinePlan, key: str) -> Audit:
    """Whether every region is accounted for, and each in one cluster at most.

    Raises:
        MissingInputError: nothing was discovered yet.
    """
    clusters = read_clusters(plan.layout, key)
    regions = [(each.media_id, each.region_index) for cluster in clusters for each in cluster.members]
    stamp, faults = read_stamp(clusters_path(plan.layout, key)), []
    counts = DiscoveryCounts(**stamp.extra["counts"]) if stamp else DiscoveryCounts()
    try:
        counts.close()
    except CountsDoNotCloseError as error:
        faults.append(str(error))
    if len(regions) != counts.clustered:
        faults.append(f"{len(regions)} regions in clusters, {counts.clustered} were counted")
    if twice := len(regions) - len(set(regions)):
        faults.append(f"{twice} regions are in more than one cluster, or twice in one")
    return Audit(counts.taken, tuple(faults))
