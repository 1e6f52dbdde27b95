"""target_crops: the regions of a folder's images, their crops saved."""

from functools import partial

import dagster as dg
from dagster_ray import RayResource

from autotag.compute.engine import WorkerPlan
from autotag.defs.assets.target.target_images import target_images
from autotag.defs.folder_run import run_folder
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.pipeline.cut_target_crops import CropForm, TargetCropsWorker, finish_target_crops


@dg.asset(
    group_name="target",
    partitions_def=target_folders,
    deps=[target_images],
    code_version=code_version(1),
    pool="target",
    kinds={"ray", "parquet"},
)
def target_crops(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, ray: RayResource
) -> dg.MaterializeResult:
    """Detects the regions of every image and saves their crops; boxes go to segmentation/regions.parquet."""
    regions = runtime.settings.regions
    form = CropForm(regions.crop_long_edge_px, regions.crop_quality)
    with failures():
        plan, counts = run_folder(
            context,
            runtime,
            lambda plan: WorkerPlan(TargetCropsWorker, (plan, form)),
            partial(finish_target_crops, form=form),
        )
    path = plan.layout.folder_tables(context.partition_key).crops
    return dg.MaterializeResult(metadata=metadata(counts, model_id=plan.model_id, path=path))
