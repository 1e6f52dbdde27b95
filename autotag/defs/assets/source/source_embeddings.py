"""source_embeddings: regions and vectors of each shard, in one pass."""

import dagster as dg
from dagster_ray import RayResource

from autotag.compute.engine import WorkerPlan
from autotag.defs.assets.source.source_images import source_images
from autotag.defs.partitions import code_version, source_backfill, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.source_run import run_shards
from autotag.defs.sheets import source_sheet
from autotag.pipeline.embed_source import SourceEmbeddingsWorker


class BoxesConfig(dg.Config):
    """Which boxes are embedded."""

    boxes_from: str = ""
    """Model id whose recorded boxes are used instead of detecting again; empty to detect."""


@dg.asset(
    group_name="source",
    partitions_def=source_shards,
    backfill_policy=source_backfill,
    deps=[source_images],
    code_version=code_version(1),
    pool="source",
    kinds={"ray", "parquet"},
)
def source_embeddings(
    context: dg.AssetExecutionContext, config: BoxesConfig, runtime: AutotagRuntime, ray: RayResource
) -> dg.MaterializeResult:
    """Decode once, detect, cut, embed all crops of many images together; no crop touches the disk."""
    plan = runtime.plan(context)
    worker = WorkerPlan(SourceEmbeddingsWorker, (plan, config.boxes_from))
    result = run_shards(context, runtime, plan, worker, plan.layout.source(plan.model_id).root / "embeddings")
    return result._replace(metadata={**result.metadata, **source_sheet(plan, context.partition_keys, runtime.settings)})
