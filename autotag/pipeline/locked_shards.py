"""Keeps two runs off one shard: a worker that holds the shard's lock while it works on it, wherever it runs."""

from autotag.compute.engine import JournallingWorker, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.locks import held


class LockedShardWorker:
    """Another worker, one process at a time a shard and model id."""

    def __init__(self, plan: PipelinePlan, worker: WorkerPlan) -> None:
        self._tables = plan.layout.source(plan.model_id)
        self._worker = worker.make(*worker.arguments)

    def has_died_over(self, shard: str) -> bool:
        """Whether a process died over the shard before, as the other worker knows."""
        return isinstance(self._worker, JournallingWorker) and self._worker.has_died_over(shard)

    def __call__(self, shard: str) -> StepCounts:
        """What the other worker returns.

        Raises:
            InUseError: another process works on the shard; its other shards are not held up.
        """
        with held(self._tables.lock(shard), f"shard {shard}"):
            return self._worker(shard)


def locked(plan: PipelinePlan, worker: WorkerPlan) -> WorkerPlan:
    """The worker plan, each shard under its lock."""
    return WorkerPlan(LockedShardWorker, (plan, worker))
