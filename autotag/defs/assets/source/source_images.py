"""source_images: the manifest of each shard."""

from collections.abc import Iterator

import dagster as dg

from autotag.defs.assets.source.source_shards import source_shards_asset
from autotag.defs.materialized import failures
from autotag.defs.partitions import code_version, source_backfill, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.source_run import run_shards


@dg.asset(
    group_name="source",
    partitions_def=source_shards,
    backfill_policy=source_backfill,
    deps=[source_shards_asset],
    code_version=code_version(1),
    pool="source",
    kinds={"parquet"},
)
def source_images(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime
) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult]:
    """Media id, size, perceptual hash and tags of every archive image; duplicates kept once, bad ones rejected."""
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.locked_shards import locked
    from autotag.pipeline.read_source_images import SourceImagesWorker

    with failures():
        plan = runtime.plan(context)
        worker = locked(plan, WorkerPlan(SourceImagesWorker, (plan,)))
        path = plan.layout.source(plan.model_id).root / "images"
        yield from run_shards(context, runtime.manifest_engine(), plan, worker, path)
