"""target_images: the manifest of a folder."""

import time

import dagster as dg

from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="target",
    partitions_def=target_folders,
    code_version=code_version(1),
    pool="target",
    kinds={"parquet"},
)
def target_images(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Name, size, media id and perceptual hash of every image of the folder; the user's files are only read."""
    from autotag.pipeline.list_target_images import list_target_images
    from autotag.pipeline.progress import StepProgress

    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("target_images", 0, [])
        counts = list_target_images(plan, context.partition_key)
        counts.seconds = time.perf_counter() - started
        progress.close(counts)
    return dg.MaterializeResult(
        metadata=metadata(counts, path=plan.layout.folder_tables(context.partition_key).images)
    )
