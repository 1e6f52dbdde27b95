"""Runs the shards of a run, step by step; what each came to is reported for its own partition, also where another one failed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from autotag.defs.materialized import metadata
from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, PermanentError

if TYPE_CHECKING:
    from autotag.compute.engine import Engine, UnitResult, WorkerPlan
    from autotag.pipeline.plan import PipelinePlan


class ShardRun:
    """The shards of one run on their way through its steps.

    Attributes:
        shards: those that no step has failed for, in order.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, plan: "PipelinePlan", shards: Sequence[str]
    ) -> None:
        self.shards = list(shards)
        self._context = context
        self._plan = plan
        self._wanted = len(shards)
        self._errors: list[AutotagError] = []

    def step(
        self, asset: dg.AssetKey, engine: "Engine", worker: "WorkerPlan"
    ) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult]:
        """Run a worker over the shards, and yield the asset's result; materialisations of its own where a shard is missing.

        A shard that fails is left out from here on; `close` tells.
        """
        from autotag.pipeline.run_units import Step, run_step

        name = asset.to_user_string()
        done: list[UnitResult] = []
        started = time.perf_counter()
        step = Step(name, worker, self.shards, known_images(self._plan, self.shards), done.append)
        try:
            counts = run_step(engine, step)
        except AutotagError as error:
            self._errors.append(error)
            yield from self._apart(asset, done, time.perf_counter() - started)
        except BaseException:
            # Yielded, not logged: Dagster drops what a step logged before it failed.
            yield from self._apart(asset, done, time.perf_counter() - started)
            raise
        else:
            self._context.log.info("%s: %s", name, counts.as_dict())
            if len(self.shards) < self._wanted:
                yield from self._apart(asset, done, time.perf_counter() - started)
            else:
                yield self._whole(asset, done, counts)
        finished = {result.unit for result in done if result.counts is not None}
        self.shards = [shard for shard in self.shards if shard in finished]

    def close(self) -> None:
        """End the run.

        Raises:
            AutotagError: what went wrong in any of the steps.
        """
        from autotag.pipeline.run_units import as_one

        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise as_one(self._errors, "\n".join(str(error) for error in self._errors))

    def _whole(
        self, asset: dg.AssetKey, done: "list[UnitResult]", counts: StepCounts
    ) -> dg.MaterializeResult:
        for result in done:
            if result.counts is not None:
                self._context.add_asset_metadata(_of_shard(result.counts, counts), asset, result.unit)
        path = self._plan.layout.source(self._plan.model_id).root / asset.path[-1].removeprefix("source_")
        return dg.MaterializeResult(
            asset_key=asset,
            metadata={"model_id": self._plan.model_id, "path": dg.MetadataValue.path(str(path))},
        )

    def _apart(
        self, asset: dg.AssetKey, done: "list[UnitResult]", seconds: float
    ) -> Iterator[dg.AssetMaterialization]:
        """Each shard by itself; the time is the run's, as in `_of_shard`."""
        for result in done:
            if result.counts is not None:
                facts = metadata(result.counts, model_id=self._plan.model_id)
                facts["seconds"] = round(seconds, 2)
                yield dg.AssetMaterialization(asset, partition=result.unit, metadata=facts)


def known_images(plan: "PipelinePlan", shards: Sequence[str]) -> int:
    """Images of the shards' manifests; 0 when one is not there yet, or damaged."""
    from autotag.storage.tables import count_rows

    tables = plan.layout.source(plan.model_id)
    try:
        return sum(count_rows(tables.images(shard)) for shard in shards)
    except PermanentError:
        return 0


def _of_shard(counts: StepCounts, run: StepCounts) -> Mapping[str, Any]:
    """The shard's own counts; time and rate are the run's, whose shards overlap."""
    return {
        **metadata(counts),
        "seconds": round(run.seconds, 2),
        "images_per_s": round(run.images_per_s, 2),
    }
