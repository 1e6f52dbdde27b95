"""Runs the shards of a run: each that is done is reported at once, so that a crash later keeps it."""

import dagster as dg
from upath import UPath

from autotag.compute.engine import UnitResult, WorkerPlan
from autotag.defs.materialized import failures, metadata
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.run_units import Step, run_step
from autotag.storage.tables import count_rows


def run_shards(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, plan: PipelinePlan, worker: WorkerPlan, path: UPath
) -> dg.MaterializeResult:
    """Run a worker over this run's shards.

    Raises:
        dagster.Failure: a shard failed; the others are materialised all the same.
    """
    shards = list(context.partition_keys)
    name = context.asset_key.to_user_string()
    done: list[UnitResult] = []
    tables = plan.layout.source(plan.model_id)
    step = Step(name, worker, shards, _known_images(plan, shards), [tables.attempts], done.append)
    with failures():
        try:
            counts = run_step(runtime.source_engine(), step)
        except BaseException:
            for result in done:
                if result.counts is not None and len(shards) > 1:
                    context.log_event(_materialized(context, result, plan))
            raise
    context.log.info("%s: %s", name, counts.as_dict())
    for result in done:
        if result.counts is not None:
            result.counts.seconds = counts.seconds
            context.add_asset_metadata(metadata(result.counts), partition_key=result.unit)
    return dg.MaterializeResult(metadata={"model_id": plan.model_id, "path": dg.MetadataValue.path(str(path))})


def _materialized(
    context: dg.AssetExecutionContext, result: UnitResult, plan: PipelinePlan
) -> dg.AssetMaterialization:
    facts = metadata(result.counts, model_id=plan.model_id) if result.counts else {}
    return dg.AssetMaterialization(context.asset_key, partition=result.unit, metadata=facts)


def _known_images(plan: PipelinePlan, shards: list[str]) -> int:
    """Images of the shards' manifests; 0 when one is not there yet."""
    tables = plan.layout.source(plan.model_id)
    try:
        return sum(count_rows(tables.images(shard)) for shard in shards)
    except MissingInputError:
        return 0
