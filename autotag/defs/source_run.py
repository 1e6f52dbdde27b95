"""Runs the shards of a run; what each came to is reported for its own partition, also where another one failed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from autotag.defs.materialized import metadata
from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError

if TYPE_CHECKING:
    from upath import UPath

    from autotag.compute.engine import Engine, UnitResult, WorkerPlan
    from autotag.pipeline.plan import PipelinePlan


def run_shards(
    context: dg.AssetExecutionContext,
    engine: "Engine",
    plan: "PipelinePlan",
    worker: "WorkerPlan",
    path: "UPath",
) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult]:
    """Run a worker over this run's shards, and yield the asset's result; materialisations of its own when that fails.

    Raises:
        AutotagError: a shard failed; the others are materialised all the same.
    """
    from autotag.pipeline.run_units import Step, run_step

    shards = list(context.partition_keys)
    name = context.asset_key.to_user_string()
    done: list[UnitResult] = []
    attempts = plan.layout.source(plan.model_id).attempts
    step = Step(name, worker, shards, known_images(plan, shards), [attempts], done.append)
    try:
        counts = run_step(engine, step)
    except BaseException:
        # Yielded, not logged: Dagster drops what a step logged before it failed.
        yield from _done_all_the_same(context, plan, done)
        raise
    context.log.info("%s: %s", name, counts.as_dict())
    for result in done:
        if result.counts is not None:
            context.add_asset_metadata(_of_shard(result.counts, counts), partition_key=result.unit)
    yield dg.MaterializeResult(metadata={"model_id": plan.model_id, "path": dg.MetadataValue.path(str(path))})


def _of_shard(counts: StepCounts, run: StepCounts) -> Mapping[str, Any]:
    """The shard's own counts; time and rate are the run's, whose shards overlap."""
    return {
        **metadata(counts),
        "seconds": round(run.seconds, 2),
        "images_per_s": round(run.images_per_s, 2),
    }


def _done_all_the_same(
    context: dg.AssetExecutionContext, plan: "PipelinePlan", done: "list[UnitResult]"
) -> Iterator[dg.AssetMaterialization]:
    for result in done:
        if result.counts is not None:
            facts = metadata(result.counts, model_id=plan.model_id)
            yield dg.AssetMaterialization(context.asset_key, partition=result.unit, metadata=facts)


def known_images(plan: "PipelinePlan", shards: Sequence[str]) -> int:
    """Images of the shards' manifests; 0 when one is not there yet."""
    from autotag.storage.tables import count_rows

    tables = plan.layout.source(plan.model_id)
    try:
        return sum(count_rows(tables.images(shard)) for shard in shards)
    except MissingInputError:
        return 0
