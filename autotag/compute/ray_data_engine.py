"""Units as rows of a Ray Data set, mapped by a pool of actors: the engine of the source pass.

Only unit names and counts travel. A worker that dies is restarted and its unit run again, a bounded number
of times; Ray Data's own default would restart it for ever.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from autotag.compute import ray_session
from autotag.compute.engine import UnitResult, WorkerPlan, run_unit
from autotag.compute.ray_session import RaySpec
from autotag.errors import WorkerLostError


class _RowWorker:
    """The callable class Ray Data builds once an actor."""

    def __init__(self, plan: WorkerPlan) -> None:
        self._worker = plan.make(*plan.arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": run_unit(self._worker, row["item"])}


class RayDataEngine:
    """See `Engine`. The pool lives as long as one `run`; the Ray session stays."""

    def __init__(self, spec: RaySpec) -> None:
        self._spec = spec

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Iterator[UnitResult]:
        """Yield results as units finish.

        Raises:
            WorkerLostError: workers died over one unit more often than allowed.
        """
        if not units:
            return
        ray_session.start(self._spec)
        import ray.data
        from ray.exceptions import RayActorError

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        deaths = self._spec.max_worker_deaths
        rows = ray.data.from_items(list(units), override_num_blocks=len(units)).map(
            _RowWorker,
            fn_constructor_args=(plan,),
            compute=ray.data.ActorPoolStrategy(size=ray_session.worker_count(self._spec, len(units))),
            num_cpus=self._spec.cpus_per_actor,
            num_gpus=self._spec.gpus_per_actor,
            max_restarts=deaths,
            max_task_retries=deaths,
        )
        try:
            for row in rows.iter_rows():
                yield row["result"]
        except RayActorError as error:
            raise WorkerLostError(
                f"workers died more than {deaths} times over one of {units[0]}..{units[-1]}: {error}"
            ) from error

    def close(self) -> None:
        """Leave the Ray session."""
        ray_session.stop()
