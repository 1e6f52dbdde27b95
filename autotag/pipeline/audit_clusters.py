"""Audit of what a discovery left behind."""

from autotag.errors import CountsDoNotCloseError
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.discovered_clusters import read_clusters, read_counts
from autotag.pipeline.plan import PipelinePlan


def audit_clusters(plan: PipelinePlan, key: str | None) -> Audit:
    """Whether every region is accounted for, and each in one cluster at most; without a key, of all folders together.

    Raises:
        MissingInputError: nothing was discovered yet.
    """
    clusters = read_clusters(plan.layout, key)
    regions = [(each.media_id, each.region_index) for cluster in clusters for each in cluster.members]
    counts, faults = read_counts(plan.layout, key), []
    try:
        counts.close()
    except CountsDoNotCloseError as error:
        faults.append(str(error))
    if len(regions) != counts.clustered:
        faults.append(f"{len(regions)} regions in clusters, {counts.clustered} were counted")
    if twice := len(regions) - len(set(regions)):
        faults.append(f"{twice} regions are in more than one cluster, or twice in one")
    return Audit(counts.taken, tuple(faults))
