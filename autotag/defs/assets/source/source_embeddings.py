"""source_embeddings: regions and vectors of each shard, in one pass."""

from collections.abc import Iterator

import dagster as dg

from autotag.defs.assets.source.source_images import source_images
from autotag.defs.materialized import failures
from autotag.defs.partitions import code_version, source_backfill, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.sheets import source_sheet
from autotag.defs.source_run import known_images, run_shards


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
    context: dg.AssetExecutionContext, config: BoxesConfig, runtime: AutotagRuntime
) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult]:
    """Decode once, detect, cut, embed all crops of many images together; no crop touches the disk."""
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.embed_source import SourceEmbeddingsWorker
    from autotag.pipeline.locked_shards import locked

    with failures():
        plan = runtime.plan(context)
        engine, worker_plan = runtime.source_engine(plan, known_images(plan, context.partition_keys))
        worker = locked(plan, WorkerPlan(SourceEmbeddingsWorker, (worker_plan, config.boxes_from)))
        path = plan.layout.source(plan.model_id).root / "embeddings"
        for result in run_shards(context, engine, plan, worker, path):
            if isinstance(result, dg.MaterializeResult):
                # On one partition of the run: pictures are the largest things in the event log, and shards are many.
                sheet = source_sheet(plan, context.partition_keys, runtime.settings)
                context.add_asset_metadata(sheet, partition_key=context.partition_keys[-1])
            yield result
