"""target_crops: the regions of a folder's images, their crops saved."""

from functools import partial

import dagster as dg

from autotag.defs.assets.target.target_images import target_images
from autotag.defs.folder_run import folder_held, run_folder
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="target",
    partitions_def=target_folders,
    deps=[target_images],
    code_version=code_version(1),
    pool="target",
    kinds={"ray", "parquet"},
)
def target_crops(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Detects the regions of every image and saves their crops; boxes go to segmentation/regions.parquet."""
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.cut_target_crops import CropForm, TargetCropsWorker, finish_target_crops

    with failures(), folder_held(context, runtime):
        regions = runtime.settings.regions
        form = CropForm(regions.crop_long_edge_px, regions.crop_quality)
        plan, counts = run_folder(
            context,
            runtime,
            lambda plan: WorkerPlan(TargetCropsWorker, (plan, form)),
            partial(finish_target_crops, form=form),
        )
    path = plan.layout.folder_tables(context.partition_key).crops
    return dg.MaterializeResult(metadata=metadata(counts, model_id=plan.model_id, path=path))
