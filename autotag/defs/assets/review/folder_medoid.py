"""folder_medoid: the image that stands for a folder."""

import time

import dagster as dg

from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[target_embeddings],
    code_version=code_version(1),
    pool="target",
    kinds={"json", "csv"},
)
def folder_medoid(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """The image nearest the centre of the folder's images; folder_medoids.csv lists those of all folders."""
    from autotag.pipeline.find_medoid import find_medoid
    from autotag.pipeline.progress import StepProgress

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("folder_medoid", 0, [])
        counts = find_medoid(plan, key, progress.reached)
        counts.seconds = time.perf_counter() - started
        progress.close(counts.close(f"folder_medoid of {key}"))
    path = plan.layout.folder_tables(key).medoid
    facts = {"all folders": str(plan.layout.medoids)}
    return dg.MaterializeResult(
        metadata=metadata(
            counts, model_id=plan.model_id, path=path if counts.taken else plan.layout.medoids, **facts
        )
    )
