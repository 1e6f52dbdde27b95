"""source_images and source_embeddings: two assets of one step, so that a bad shard does not keep the others from being embedded."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from autotag.defs.assets.source.source_shards import source_shards_asset
from autotag.defs.materialized import failures
from autotag.defs.partitions import code_version, source_backfill, source_shards
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.sheets import source_sheet
from autotag.defs.source_run import ShardRun
from autotag.errors import AutotagError

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan

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
                    sheet = _sheet(context, plan, run.shards, runtime)
                    context.add_asset_metadata(sheet, EMBEDDINGS, run.shards[-1])
                yield result
        run.close()


def _sheet(
    context: dg.AssetExecutionContext, plan: "PipelinePlan", shards: list[str], runtime: AutotagRuntime
) -> Mapping[str, Any]:
    """The contact sheet; none where a tar has gone since: the shards are done without a picture of them."""
    try:
        return source_sheet(plan, shards, runtime.settings)
    except AutotagError as error:
        context.log.warning("no contact sheet: %s", error)
        return {}
