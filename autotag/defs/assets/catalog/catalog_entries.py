"""catalog_entries: a folder's images and objects, in the catalog."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.assets.review.tag_proposals import tag_proposals
from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import DECISIONS, failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime

if TYPE_CHECKING:
    from autotag.pipeline.catalog_folder import CataloguedFolder
    from autotag.pipeline.plan import PipelinePlan
    from autotag.pipeline.progress import StepProgress
    from autotag.settings import Settings


@dg.asset(
    group_name="catalog",
    partitions_def=target_folders,
    deps=[target_embeddings, folder_tags, tag_proposals],
    code_version=code_version(1),
    pool="target",
    kinds={"lancedb"},
)
def catalog_entries(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Images, objects, vectors, tags and dates of the folder, for search; images that are gone leave the catalog."""
    from autotag.pipeline.open_folder_catalog import place_of_catalog
    from autotag.pipeline.progress import StepProgress

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("catalog_entries", 0, [])
        done, size, decisions = _catalogued(plan, key, runtime.settings, progress)
        done.counts.seconds = time.perf_counter() - started
        progress.close(done.counts)
    facts = {
        "new": done.inserted,
        "written again": done.updated,
        "removed": done.removed,
        "with tags": done.tagged,
        **({"tags from": done.tags_from} if done.tags_from else {}),
        "images in the catalog": size,
        DECISIONS: decisions,
    }
    path = place_of_catalog(plan, runtime.settings)
    return dg.MaterializeResult(metadata=metadata(done.counts, model_id=plan.model_id, path=path, **facts))


def _catalogued(
    plan: "PipelinePlan", key: str, settings: "Settings", progress: "StepProgress"
) -> tuple["CataloguedFolder", int, int]:
    """What became of the folder, how many images the catalog holds now, and up to which decision it knows them."""
    from autotag.pipeline.catalog_folder import catalog_folder
    from autotag.pipeline.open_folder_catalog import folder_catalog
    from autotag.review.ledger.existing import existing_ledger

    with folder_catalog(plan, key, settings) as catalog, existing_ledger(settings, plan.layout) as ledger:
        decisions = ledger.position() if ledger else 0  # before tags are read: it may know more, never less
        done = catalog_folder(plan, key, catalog, ledger, progress.reached)
        catalog.optimise()
        return done, catalog.size().images, decisions
