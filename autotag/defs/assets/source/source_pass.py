"""source_images and source_embeddings: two assets of one step, so that a bad shard does not keep the others from being embedded."""

from collections.abc import Iterator

import dagster as dg

from autotag.defs.assets.source.source_shards import source_shards_asset
from autotag.defs.materialized import failures
from autotag.defs.partitions import code_version, source_backfill, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.sheets import source_sheet
from autotag.defs.source_run import ShardRun

IMAGES, EMBEDDINGS = dg.AssetKey("source_images"), dg.AssetKey("source_embeddings")


class BoxesConfig(dg.Config):
    """Which boxes are embedded."""

    boxes_from: str = ""
    """Model id whose recorded boxes are used instead of detecting again; empty to detect."""


@dg.multi_asset(
    name="source_pass",
    specs=[
        dg.AssetSpec(
            IMAGES,
            deps=[source_shards_asset],
            group_name="source",
            code_version=code_version(1),
            kinds={"parquet"},
            description="Media id, size, perceptual hash and tags of every archive image; duplicates kept once, bad ones"
            " rejected.",
        ),
        dg.AssetSpec(
            EMBEDDINGS,
            deps=[IMAGES],
            group_name="source",
            code_version=code_version(1),
            kinds={"ray", "parquet"},
            description="Decode once, detect, cut, embed all crops of many images together; no crop touches the disk.",
        ),
    ],
    partitions_def=source_shards,
    backfill_policy=source_backfill,
    can_subset=True,
    pool="source",
)
def source_pass(
    context: dg.AssetExecutionContext, config: BoxesConfig, runtime: AutotagRuntime
) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult]:
    """The manifest of each shard, then its regions and vectors; what fails in the first goes without the second."""
    from autotag.compute.engine import WorkerPlan
    from autotag.defs.source_run import known_images
    from autotag.pipeline.embed_source import SourceEmbeddingsWorker
    from autotag.pipeline.locked_shards import locked
    from autotag.pipeline.read_source_images import SourceImagesWorker

    with failures():
        plan = runtime.plan(context)
        run = ShardRun(context, plan, list(context.partition_keys))
        if IMAGES in context.selected_asset_keys:
            worker = locked(plan, WorkerPlan(SourceImagesWorker, (plan,)))
            yield from run.step(IMAGES, runtime.manifest_engine(), worker)
        if EMBEDDINGS in context.selected_asset_keys and run.shards:
            engine, worker_plan = runtime.source_engine(plan, known_images(plan, run.shards))
            worker = locked(plan, WorkerPlan(SourceEmbeddingsWorker, (worker_plan, config.boxes_from)))
            for result in run.step(EMBEDDINGS, engine, worker):
                if isinstance(result, dg.MaterializeResult):
                    # On one partition of the run: pictures are the largest things in the event log, and shards are many.
                    context.add_asset_metadata(
                        source_sheet(plan, run.shards, runtime.settings), EMBEDDINGS, run.shards[-1]
                    )
                yield result
        run.close()
