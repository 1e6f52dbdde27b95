"""target_embeddings: vectors of a folder's regions."""

import dagster as dg

from autotag.defs.assets.target.target_crops import target_crops
from autotag.defs.folder_run import folder_held, run_folder
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="target",
    partitions_def=target_folders,
    deps=[target_crops],
    code_version=code_version(1),
    pool="target",
    kinds={"ray", "parquet"},
)
def target_embeddings(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Embeds the recorded regions, cut from the originals exactly as the source pass cuts."""
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.embed_target import TargetEmbeddingsWorker, finish_target_embeddings

    with failures(), folder_held(context, runtime):
        plan, counts = run_folder(
            context,
            runtime,
            lambda plan: WorkerPlan(TargetEmbeddingsWorker, (plan,)),
            finish_target_embeddings,
        )
    path = plan.layout.folder_tables(context.partition_key).embeddings
    return dg.MaterializeResult(metadata=metadata(counts, model_id=plan.model_id, path=path))
