"""Keeps two runs off one shard: a worker that holds the shard's lock while it works on it, wherever it runs."""

from typing import Any

from upath import UPath

from autotag.compute.engine import WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.locks import held, shard_lock


class LockedShardWorker(Journalled):
    """Another worker, one process at a time a shard and model id."""

    def __init__(self, plan: PipelinePlan, worker: WorkerPlan) -> None:
        self._plan = plan
        self._worker: Any = worker.make(*worker.arguments)

    def journal(self, unit: str) -> UPath:
        """The other worker's."""
        return self._worker.journal(unit)

    def __call__(self, shard: str) -> StepCounts:
        """What the other worker returns.

        Raises:
            InUseError: another process works on the shard; its other shards are not held up.
        """
        with held(shard_lock(self._plan.layout, self._plan.model_id, shard)):
            return self._worker(shard)


def locked(plan: PipelinePlan, worker: WorkerPlan) -> WorkerPlan:
    """The worker plan, each shard under its lock."""
    return WorkerPlan(LockedShardWorker, (plan, worker))
