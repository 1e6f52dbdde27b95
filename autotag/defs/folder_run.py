"""Runs the chunks of a folder on the engine that suits its size."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.counts import StepCounts

if TYPE_CHECKING:
    from autotag.compute.engine import WorkerPlan
    from autotag.pipeline.plan import PipelinePlan
    from autotag.pipeline.target_parts import Chunk

Finish = Callable[["PipelinePlan", "list[Chunk]", str], StepCounts]


@contextmanager
def folder_held(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> Iterator[None]:
    """Hold the step's folder inside the block.

    Raises:
        InUseError: another process works on it.
    """
    from autotag.storage.locks import folder_lock, held
    from autotag.storage.roots import layout_of

    with held(folder_lock(layout_of(runtime.settings), context.partition_key)):
        yield


def run_folder(
    context: dg.AssetExecutionContext,
    runtime: AutotagRuntime,
    worker: "Callable[[PipelinePlan], WorkerPlan]",
    finish: Finish,
) -> tuple["PipelinePlan", StepCounts]:
    """Run a worker over the folder's chunks, then join their parts.

    Args:
        context: names the folder and the step.
        runtime: gives the engine.
        worker: the worker for a plan; the plan depends on the engine.
        finish: joins the parts.
    """
    from autotag.pipeline.run_units import Step, run_step
    from autotag.pipeline.target_parts import chunks_of
    from autotag.storage.tables import count_rows

    plan, key = runtime.plan(context), context.partition_key
    name = context.asset_key.to_user_string()
    chunks = chunks_of(plan, key, runtime.settings.compute.chunk_files)
    images = count_rows(plan.layout.folder_tables(key).images)
    engine, worker_plan = runtime.folder_engine(plan, images)
    units: Sequence[str] = [chunk.unit for chunk in chunks]
    worked = run_step(engine, Step(name, worker(worker_plan), units, images))
    # With the worker's plan: joining may ask the model that the worker has already loaded in this process.
    counts = finish(worker_plan, chunks, key)
    counts.seconds, counts.stage_ms = worked.seconds, worked.stage_ms
    context.log.info("%s of %s: %s", name, key, counts.as_dict())
    return plan, counts
