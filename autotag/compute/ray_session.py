"""One Ray session a process: an existing cluster, or a local one that ends with the process."""

from dataclasses import dataclass

from autotag.compute.deaths import MAX_WORKER_DEATHS
from autotag.errors import RetryableError, SettingsError


@dataclass(frozen=True, slots=True)
class RaySpec:
    """How to reach Ray and what a worker takes.

    Attributes:
        address: an existing cluster; empty for a local one.
        num_cpus: cores of a local cluster; 0 for all.
        actors: worker processes; 0 for as many as fit.
        cpus_per_actor: cores a worker holds.
        gpus_per_actor: GPUs a worker holds, fractions too.
        max_worker_deaths: deaths of workers over one unit of a run before it is given up, at the latest.
    """

    address: str = ""
    num_cpus: int = 0
    actors: int = 0
    cpus_per_actor: float = 1.0
    gpus_per_actor: float = 0.0
    max_worker_deaths: int = MAX_WORKER_DEATHS

    @property
    def threads(self) -> int:
        """Threads a worker may use: its cores, at least one."""
        return max(1, int(self.cpus_per_actor))


def start(spec: RaySpec) -> None:
    """Connect, or start a local cluster; nothing happens when this process already has one.

    Raises:
        RetryableError: the cluster at `spec.address` does not answer.
    """
    import ray

    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "logging_level": "warning", "ignore_reinit_error": True}
    try:
        if spec.address:
            ray.init(address=spec.address, **quiet)
        else:
            ray.init(address="local", num_cpus=spec.num_cpus or None, include_dashboard=False, **quiet)
    except ConnectionError as error:
        raise RetryableError(
            f"no Ray cluster answers at {spec.address!r}; start it or empty [ray] address"
        ) from error


def stop() -> None:
    """Leave the cluster; a local one ends."""
    import ray

    if ray.is_initialized():
        ray.shutdown()


def worker_count(spec: RaySpec, units: int) -> int:
    """Workers for that many units: the setting, or what the cluster's CPUs and GPUs allow; at least one.

    Raises:
        SettingsError: a worker asks for more than the local cluster has: it would wait for ever. An existing
            cluster may still grow.
    """
    import ray

    resources = ray.cluster_resources()
    fit = int(resources.get("CPU", 1) / spec.cpus_per_actor)
    if spec.gpus_per_actor:
        fit = min(fit, int(resources.get("GPU", 0) / spec.gpus_per_actor))
    if fit == 0 and not spec.address:
        raise SettingsError(
            f"[ray] cpus_per_actor = {spec.cpus_per_actor}, gpus_per_actor = {spec.gpus_per_actor}: this machine has"
            f" {resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs; ask for less"
        )
    return max(1, min(spec.actors or fit, units))
