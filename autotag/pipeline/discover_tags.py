"""tag_discovery: regions that nothing explains are clustered, and each cluster is proposed as a new tag; nothing is tagged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_path
from autotag.domain.unexplained import ClusterForm, DiscoveryCounts, cluster_name
from autotag.pipeline.discovered_clusters import (
    TABLE,
    Cluster,
    ClusterMember,
    clusters_path,
    folder_options,
    page_path,
    write_clusters,
)
from autotag.pipeline.discovery_page import (
    CLUSTERS_SHOWN,
    region_pictures,
    tiles_of,
    write_discovery_page,
)
from autotag.pipeline.discovery_words import HOOK_PICTURES, Namer, open_namer, tell_departure, text_vectors
from autotag.pipeline.explainers import current_reference, open_explainers, rules_of_labels
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.pipeline.region_clusters import cluster_regions
from autotag.pipeline.unexplained_regions import RegionPool, gather, region_names
from autotag.pipeline.voter_folders import embedded_folders
from autotag.review.ledger.existing import existing_ledger
from autotag.settings import Settings
from autotag.storage.tables import Stamp

STALE_TOLD = 5
"""Folders that a note names at most."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a discovery came to.

    Attributes:
        counts: images in and out; what became of their regions is in `regions`.
        regions: of the images.
        clusters: the largest first.
        notes: what a person has to know.
        path: of the table.
        page: of the page.
    """

    counts: StepCounts
    regions: DiscoveryCounts
    clusters: list[Cluster]
    notes: list[str]
    path: UPath
    page: UPath


def discover_tags(
    plan: PipelinePlan,
    key: str | None,
    settings: Settings,
    options: str = "",
    reached: Reached = nobody,
) -> Discovered:
    """Look through one folder, or without a key through all that are embedded with the model, and write table and page.

    A voter explains a region that is near enough to it if the region's image has a tag; a label explains those over its
    threshold. Decisions of people count as tags, and explain the regions of an accepted cluster. An image and its copies are no
    voters on themselves. The ledger is only read. Without a key, folders whose vectors or tags are of
    an earlier state of them are left out, which is a note.

    Args:
        plan: where things are, and which model.
        key: of the folder; None for all.
        settings: what explains a region, and how many make a cluster.
        options: what the command on the page finds the folder by; default `folder_options`.
        reached: told after each folder how many images were looked at.

    Raises:
        MissingInputError: the folder is not embedded, or its vectors or tags are of an earlier state of it; or fitted
            thresholds are asked for, and are not there.
        ModelMismatchError: it was embedded with another model.
        SettingsError: a detector or API that cannot be made, or an API without an endpoint.
    """
    keys = embedded_folders(plan) if key is None else [key]
    notes: list[str] = []
    embed = text_vectors(plan, settings, notes)
    labels, reference = rules_of_labels(plan, settings), current_reference(plan, settings)
    mapping = reference.mapping if reference else None
    namer = open_namer(plan, settings, mapping, labels.labels if labels else (), embed)
    with existing_ledger(settings, plan.layout) as ledger:
        explainers = open_explainers(plan, settings, (reference, labels, ledger), embed, notes)
        limit = settings.discovery.max_regions
        pool = gather(plan, keys, explainers, limit, leave_stale=key is None, reached=reached)
    if pool.stale:
        notes.append(_left_out(pool, len(keys)))
    forms = cluster_regions(pool, settings.discovery.min_images)
    if notice := tell_departure(namer, len(forms)):
        notes.append(notice)
    command = f"autotag discover {options or folder_options(key)}".rstrip()
    clusters = _write(plan, key, (pool, forms), (namer, settings), notes, f"{command} --accept")
    counts = StepCounts(
        taken=pool.images,
        made=pool.images,
        regions=pool.counts.taken,
        units=len(keys) - len(pool.stale),
        notes=notes,
    )
    paths = clusters_path(plan.layout, key), page_path(plan.layout, key)
    return Discovered(counts.close("tag_discovery"), pool.counts, clusters, notes, *paths)


def _left_out(pool: RegionPool, folders: int) -> str:
    told = [f"{folder_path(key)} ({error})" for key, error in pool.stale.items()]
    more = f"; and {len(told) - STALE_TOLD} more" if len(told) > STALE_TOLD else ""
    return f"{len(told)} of {folders} folders were left out: {'; '.join(told[:STALE_TOLD])}{more}"


def _write(
    plan: PipelinePlan,
    key: str | None,
    found: tuple[RegionPool, Sequence[ClusterForm]],
    by: tuple[Namer, Settings],
    notes: list[str],
    command: str,
) -> list[Cluster]:
    """Name the clusters, then the table, then the page."""
    (pool, forms), (namer, settings) = found, by
    clusters, shown = [], []
    for number, form in enumerate(forms):
        cluster = _cluster(pool, form)
        is_shown = number < CLUSTERS_SHOWN
        wanted = settings.discovery.tiles if is_shown else 0
        wanted = max(wanted, HOOK_PICTURES if namer.wants_pictures else 0)
        pictures = region_pictures(plan, cluster.one_an_image, wanted)
        cluster = replace(cluster, words=namer.name(form.centre, [pixels for _, pixels in pictures]))
        clusters.append(cluster)
        if is_shown:
            shown.append((cluster, tiles_of(pictures[: settings.discovery.tiles])))
    write_clusters(clusters_path(plan.layout, key), clusters, Stamp(TABLE, plan.model_id), pool.counts)
    title = "Unexplained in all folders" if key is None else f"Unexplained in {folder_path(key)}"
    counts = pool.counts
    facts = {
        "clusters": len(clusters),
        "images": pool.images,
        "regions": counts.taken,
        "explained": counts.explained,
        "copies": counts.duplicates,
        "left out": counts.left_out,
        "clustered": counts.clustered,
        "alone": counts.alone,
        "notes": notes,
    }
    write_discovery_page(page_path(plan.layout, key), title, shown, facts, command)
    return clusters


def _cluster(pool: RegionPool, form: ClusterForm) -> Cluster:
    rows = pool.places.take(pa.array(form.members))
    members = tuple(
        ClusterMember(**{**row, "box_xyxy_px": tuple(row["box_xyxy_px"])}) for row in rows.to_pylist()
    )
    return Cluster(cluster_name(region_names(rows)), form.cohesion, (), members)
