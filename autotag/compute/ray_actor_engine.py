"""A pool of Ray actors that outlives a step, so that the steps of one folder share loaded models."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from autotag.compute import ray_session
from autotag.compute.engine import UnitResult, Worker, WorkerPlan, run_unit
from autotag.compute.ray_session import RaySpec
from autotag.errors import WorkerLostError


class _Host:
    """One actor: keeps a worker for each plan it has met."""

    def __init__(self) -> None:
        self._workers: dict[WorkerPlan, Worker] = {}

    def run(self, plan: WorkerPlan, unit: str) -> UnitResult:
        if plan not in self._workers:
            self._workers[plan] = plan.make(*plan.arguments)
        return run_unit(self._workers[plan], unit)


class RayActorEngine:
    """See `Engine`. Actors start at the first `run` and stay until `close`."""

    def __init__(self, spec: RaySpec) -> None:
        self._spec = spec
        self._hosts: list[Any] = []

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Iterator[UnitResult]:
        """Yield results as units finish; a unit whose worker dies is run again on a restarted one.

        Raises:
            WorkerLostError: workers died over one unit more often than allowed.
        """
        if not units:
            return
        ray_session.start(self._spec)
        import ray
        from ray.exceptions import RayActorError

        self._grow(ray_session.worker_count(self._spec, len(units)))
        waiting = deque(units)
        idle = deque(self._hosts)
        running: dict[Any, tuple[str, Any]] = {}
        try:
            while waiting or running:
                while waiting and idle:
                    host, unit = idle.popleft(), waiting.popleft()
                    running[host.run.remote(plan, unit)] = (unit, host)
                done, _ = ray.wait(list(running), num_returns=1)
                unit, host = running.pop(done[0])
                idle.append(host)
                yield ray.get(done[0])
        except RayActorError as error:
            raise WorkerLostError(f"workers died more than {self._spec.max_worker_deaths} times: {error}") from error
        finally:
            if running:
                self.close()

    def _grow(self, count: int) -> None:
        import ray

        deaths = self._spec.max_worker_deaths
        host_class = ray.remote(
            num_cpus=self._spec.cpus_per_actor,
            num_gpus=self._spec.gpus_per_actor,
            max_restarts=deaths,
            max_task_retries=deaths,
        )(_Host)
        self._hosts.extend(host_class.remote() for _ in range(count - len(self._hosts)))

    def close(self) -> None:
        """End the actors, also those at work: a cancelled run must not leave them behind."""
        import ray

        for host in self._hosts:
            ray.kill(host)
        self._hosts.clear()
