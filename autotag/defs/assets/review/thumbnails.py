"""thumbnails: small pictures of a folder's images."""

from functools import partial

import dagster as dg

from autotag.defs.assets.target.target_images import target_images
from autotag.defs.folder_run import folder_held, run_folder
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[target_images],
    code_version=code_version(1),
    pool="target",
    kinds={"ray", "jpeg"},
)
def thumbnails(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Small pictures of all images for people to look at, by content; those that are there already are kept."""
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.make_thumbnails import ThumbnailsWorker, finish_thumbnails

    with failures(), folder_held(context, runtime):
        long_edge_px = runtime.settings.review.thumbnail_px
        plan, counts = run_folder(
            context,
            runtime,
            lambda plan: WorkerPlan(ThumbnailsWorker, (plan, long_edge_px)),
            partial(finish_thumbnails, long_edge_px=long_edge_px),
        )
    path = plan.layout.folder_tables(context.partition_key).thumbnails
    return dg.MaterializeResult(metadata=metadata(counts, path=path))
