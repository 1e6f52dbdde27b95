"""embed: every image of a store's manifest that the model has not embedded yet, in this process or on a pool of Ray actors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from autotag.compute.engine import Engine, InProcessEngine, WorkerPlan
from autotag.domain.arrow_columns import is_in
from autotag.domain.counts import StepCounts
from autotag.pipeline.plan import PipelinePlan, in_process_plan, ray_spec
from autotag.pipeline.retrieval.embed_worker import STEP, StoreEmbedWorker, parts_of
from autotag.pipeline.retrieval.store_manifest import read_manifest
from autotag.pipeline.retrieval.units import cut_units, store_lock, unit_size
from autotag.pipeline.retrieval.vector_parts import embedded_media
from autotag.pipeline.run_units import Step, run_step
from autotag.settings import Settings
from autotag.storage.locks import held
from autotag.storage.removal import remove_tree
from autotag.storage.store_layout import StoreLayout

TODO_COLUMNS = ["media_id", "file", "width", "height"]


@dataclass(frozen=True, slots=True)
class Pool:
    """What units run on.

    Attributes:
        engine: that runs them.
        plan: as its workers should see it.
        workers: how many share the units.
    """

    engine: Engine
    plan: PipelinePlan
    workers: int


def embed_store(plan: PipelinePlan, settings: Settings, store: StoreLayout) -> StepCounts:
    """Embed what has no vector of the plan's model yet. Counts are of the whole manifest.

    A unit whose vectors are written is done, whatever becomes of the others; images that were rejected are tried again.

    Raises:
        MissingInputError: the store has no manifest.
        InUseError: another command works on the store.
        PermanentError, RetryableError: units that failed, with their messages.
    """
    with held(store_lock(store)):
        manifest = read_manifest(store)
        done = is_in(manifest["media_id"], embedded_media(store, plan.model_id).to_pylist())
        todo = manifest.filter(pa.array(~done)).select(TODO_COLUMNS)
        counts = StepCounts()
        remove_tree(store.embedding_rejects(plan.model_id))
        if todo.num_rows:
            with pool_for(plan, settings, todo.num_rows) as pool:
                counts = _embed(pool, store, todo)
        remove_tree(parts_of(store, plan.model_id))
        counts.reused = manifest.num_rows - todo.num_rows
        counts.taken, counts.made = counts.taken + counts.reused, counts.made + counts.reused
        counts.resumed = int(not todo.num_rows)
    return counts.close(STEP)


def _embed(pool: Pool, store: StoreLayout, todo: pa.Table) -> StepCounts:
    size = unit_size(todo.num_rows, pool.workers, pool.plan.batch_images)
    units = cut_units(parts_of(store, pool.plan.model_id), todo, size)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    worker = WorkerPlan(StoreEmbedWorker, (pool.plan, store, day))
    return run_step(pool.engine, Step(STEP, worker, units, todo.num_rows))


@contextmanager
def pool_for(plan: PipelinePlan, settings: Settings, images: int) -> Iterator[Pool]:
    """This process for few images, which are done before workers have started; else Ray, and always a cluster."""
    if images < settings.compute.in_process_below and not settings.ray.address:
        threads = settings.ray.num_cpus or os.cpu_count() or 1
        pool = Pool(InProcessEngine(), in_process_plan(plan, threads), 1)
    else:
        from autotag.compute import ray_session
        from autotag.compute.ray_actor_engine import RayActorEngine

        spec = ray_spec(settings)
        ray_session.start(spec)
        pool = Pool(RayActorEngine(spec), plan, ray_session.worker_count(spec, images))
    try:
        yield pool
    finally:
        pool.engine.close()
