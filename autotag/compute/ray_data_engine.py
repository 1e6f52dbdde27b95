"""Units as rows of a Ray Data set, mapped by a pool of actors: the engine of the source pass.

Only unit names and counts travel. Ray Data restarts a dead worker and runs its unit again, for ever; a tally
outside the workers counts how often a unit was begun, and gives it up when that is too often.
"""

import logging
from collections.abc import Generator, Sequence
from typing import Any

from autotag.compute import ray_session
from autotag.compute.engine import UnitResult, WorkerPlan, WorkerShelf, lost
from autotag.compute.ray_session import RaySpec


class _Tally:
    """An actor of its own, so that it outlives the workers: who they are, and how often each unit was begun."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}
        self._workers: list[Any] = []

    def join(self, worker: Any) -> None:
        self._workers.append(worker)

    def workers(self) -> list[Any]:
        return self._workers

    def begin(self, unit: str) -> int:
        self._begun[unit] = self._begun.get(unit, 0) + 1
        return self._begun[unit]


class _RowWorker:
    """The callable class Ray Data builds once an actor."""

    def __init__(self, plan: WorkerPlan, tally: Any, max_deaths: int) -> None:
        import ray

        self._plan = plan
        self._tally = tally
        ray.get(tally.join.remote(ray.get_runtime_context().current_actor))
        self._max_deaths = max_deaths
        self._shelf = WorkerShelf()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import ray

        begun: Any = ray.get(self._tally.begin.remote(row["item"]))
        deaths = begun - 1
        if deaths > self._max_deaths:
            return {"result": lost(row["item"], deaths)}
        return {"result": self._shelf.run(self._plan, row["item"], after_death=deaths > 0)}


def _end_workers(tally: Any) -> None:
    """Ray Data lets its workers finish their units when a run is cancelled; here nobody waits for a shard."""
    import ray

    for worker in ray.get(tally.workers.remote()):
        ray.kill(worker)


class RayDataEngine:
    """See `Engine`. The pool lives as long as one `run`; the Ray session stays."""

    def __init__(self, spec: RaySpec) -> None:
        self._spec = spec

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """Yield results as units finish; a unit whose workers die too often ends as `WorkerLostError`.

        Raises:
            RetryableError: the Ray cluster does not answer.
            SettingsError: a worker asks for more than the machine has.
        """
        if not units:
            return
        ray_session.start(self._spec)
        import ray
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        tally: Any = ray.remote(num_cpus=0)(_Tally).remote()
        worker: Any = _RowWorker  # Ray Data's types know no callable classes
        rows = ray.data.from_items(list(units), override_num_blocks=len(units)).map(
            worker,
            fn_constructor_args=(plan, tally, self._spec.max_worker_deaths),
            compute=ray.data.ActorPoolStrategy(
                size=ray_session.worker_count(self._spec, len(units)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=self._spec.cpus_per_actor,
            num_gpus=self._spec.gpus_per_actor,
        )
        # The name keeps the iterator from being closed before the workers are ended. Bundles come as units
        # finish; Ray Data's batch and row iterators hold each back until the next one is there.
        bundles: Any = iter(rows.iter_internal_ref_bundles())
        try:
            for bundle in bundles:
                blocks: Any = list(bundle.block_refs)
                for block in ray.get(blocks):
                    yield from block["result"].to_pylist()
        except BaseException:
            _end_workers(tally)
            raise
        finally:
            ray.kill(tally)

    def close(self) -> None:
        """Leave the Ray session."""
        ray_session.stop()
