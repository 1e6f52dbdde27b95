"""A pool of Ray actors that outlives a step, so that the steps of one folder share loaded models."""

from collections import deque
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from autotag.compute import ray_session
from autotag.compute.deaths import DeathWatch
from autotag.compute.engine import UnitResult, WorkerPlan, WorkerShelf, judged, settled, untried
from autotag.compute.ray_session import RaySpec
from autotag.errors import PermanentError


class RayActorEngine:
    """See `Engine`. Actors start at the first `run` and stay until `close`."""

    def __init__(self, spec: RaySpec) -> None:
        self._spec = spec
        self._hosts: list[Any] = []

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        """Yield results as units finish.

        A unit whose worker dies runs again on a new one, until `DeathWatch` gives it up: it ends as
        `WorkerLostError`. Once the machine has proven to be broken, the rest end so untried. A run that is
        cancelled, or fails, leaves no actor behind.

        Raises:
            RetryableError: the Ray cluster does not answer.
            SettingsError: a worker asks for more than the machine has.
        """
        if not units:
            return
        ray_session.start(self._spec)
        self._grow(ray_session.worker_count(self._spec, len(units)))
        running: dict[Any, tuple[str, Any]] = {}
        try:
            yield from self._results(plan, deque(units), running)
        finally:
            if running:
                self.close()

    def _results(
        self, plan: WorkerPlan, waiting: deque[str], running: dict[Any, tuple[str, Any]]
    ) -> Generator[UnitResult, None, None]:
        watch: DeathWatch | None = None
        idle = deque(self._hosts)
        while waiting or running:
            if watch is None or not watch.is_machine_broken:
                while waiting and idle:
                    host, unit = idle.popleft(), waiting.popleft()
                    running[host.run.remote(plan, unit)] = (unit, host)
            elif not running:  # what was under way might have shown that the machine works
                yield from map(untried, waiting)
                return
            unit, host, result = _next_answer(running)
            if isinstance(result, UnitResult):
                idle.append(host)
            else:
                idle.append(self._replace(host))
                watch = watch or DeathWatch(plan.make(*plan.arguments), self._spec.max_worker_deaths)
                result = settled(unit, partial(judged, watch, unit, result))
                if result is None:
                    waiting.appendleft(unit)
                    continue
                waiting = deque(watch.least_suspicious_first(waiting))
            yield result
            if watch is not None:
                watch.end(unit, result.counts, result.error)

    def _grow(self, count: int) -> None:
        self._hosts.extend(self._new_host() for _ in range(count - len(self._hosts)))

    def _replace(self, dead: Any) -> Any:
        self._hosts.remove(dead)
        self._grow(len(self._hosts) + 1)
        return self._hosts[-1]

    def _new_host(self) -> Any:
        import ray

        # Ray's own retries count over an actor's life; ours count deaths over one unit.
        shelf = ray.remote(
            num_cpus=self._spec.cpus_per_actor, num_gpus=self._spec.gpus_per_actor, max_restarts=0
        )
        return shelf(WorkerShelf).remote()

    def close(self) -> None:
        """End the actors, also those at work: a cancelled run must not leave them behind."""
        import ray

        if ray.is_initialized():
            for host in self._hosts:
                ray.kill(host)
        self._hosts.clear()


def _next_answer(running: dict[Any, tuple[str, Any]]) -> tuple[str, Any, UnitResult | Exception]:
    """The first unit that ends, its actor and its answer; it is under way no more."""
    import ray

    done, _ = ray.wait(list(running), num_returns=1)
    unit, host = running.pop(done[0])
    return unit, host, _answer(done[0], unit)


def _answer(reference: Any, unit: str) -> UnitResult | Exception:
    """The unit's result; the error where its worker died."""
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    try:
        return ray.get(reference)
    except RayActorError as error:
        return error
    except RayTaskError as error:  # what a worker cannot even receive or send back
        return UnitResult(unit, None, PermanentError(f"{unit}: {error}"))
