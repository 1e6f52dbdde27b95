"""The search API as a Ray Serve application: replicas of the API, of the model for queries, and of the models for uploads.

    serve run autotag.serving.api.ray_serve:app
    serve run autotag.serving.api.ray_serve:app config=/srv/autotag.toml

The settings are those of `AUTOTAG_CONFIG` or the file given, read where the application is built; replicas get them from there,
so that all paths, weights among them, have to be the same on every machine.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.handle import DeploymentHandle

from autotag.errors import AutotagError
from autotag.serving.api.app import create_app
from autotag.serving.api.ray_access import ray_keys
from autotag.serving.api.ray_models import RayModels
from autotag.serving.api.ray_replicas import QueryModel, UploadModels
from autotag.serving.api.service import SearchService, open_service
from autotag.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

LIGHT_CPUS = 0.5
"""Cores that are set aside for a replica that is idle between short calls: of the API, of the model for queries."""

CLOSING_S = 40.0
"""A little longer than the application gives to ingests that were accepted."""

HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 5.0, 30.0


class Arguments(BaseModel):
    """What may follow `serve run autotag.serving.api.ray_serve:app`.

    Attributes:
        config: the settings file; empty for `AUTOTAG_CONFIG`, then `autotag.toml` in the working directory.
    """

    model_config = ConfigDict(extra="forbid")

    config: str = ""


@serve.ingress()
class Api:
    """The same API as `autotag serve`, with the models elsewhere. Writers of several replicas wait for each other."""

    async def __init__(
        self, record: dict[str, Any], queries: DeploymentHandle, uploads: DeploymentHandle
    ) -> None:
        """Opens catalog and archive, and waits for the models."""
        self._service = await asyncio.to_thread(_opened, Settings.from_record(record), queries, uploads)
        self._service.metrics.replica = serve.get_replica_context().replica_tag

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Called by Ray Serve once the replica is made; closing the application closes the service."""
        return create_app(self._service, ray_keys(self._service.settings), only_near=True)


def app(arguments: Arguments) -> Application:
    """The application, by the settings.

    Raises:
        SettingsError: no such file, or a wrong one.
        UsageError: an access key is needed, and there is none.
    """
    settings = Settings.load(arguments.config or None)
    ray_keys(settings)
    return application(settings)


def application(settings: Settings) -> Application:
    """The application: its deployments, bound to each other."""
    record = settings.as_record()
    waiting = settings.serve.max_waiting
    gathering = 2 * settings.serve.batch  # one batch in the model, one that gathers
    light = {"num_cpus": LIGHT_CPUS}
    heavy = {"num_cpus": settings.ray.cpus_per_actor, "num_gpus": settings.ray.gpus_per_actor}
    queries = deployment(QueryModel, settings, gathering, heavy | light).bind(record)
    uploads = deployment(UploadModels, settings, gathering, heavy).bind(record)
    # The API counts by itself how many requests are under way, and refuses more with an answer of its own.
    return deployment(Api, settings, waiting + 1, light).bind(record, queries, uploads)


def deployment(replica: type, settings: Settings, most: int, resources: dict[str, float]) -> serve.Deployment:
    """A deployment that grows with its load, within the settings, and ends its replicas gently.

    Args:
        replica: its class.
        settings: how many replicas, and what they wait for.
        most: requests that a replica takes at a time.
        resources: `num_cpus` and `num_gpus` of a replica, fractions too.
    """
    scaling = AutoscalingConfig(
        min_replicas=settings.serve.min_replicas,
        max_replicas=settings.serve.max_replicas,
        target_ongoing_requests=settings.serve.batch,
    )
    return serve.deployment(
        ray_actor_options=dict(resources),
        autoscaling_config=scaling,
        max_ongoing_requests=most,
        max_queued_requests=settings.serve.max_waiting,
        health_check_period_s=HEALTH_PERIOD_S,
        health_check_timeout_s=HEALTH_TIMEOUT_S,
        graceful_shutdown_timeout_s=CLOSING_S,
        graceful_shutdown_wait_loop_s=0.5,
    )(replica)


def _opened(settings: Settings, queries: DeploymentHandle, uploads: DeploymentHandle) -> SearchService:
    models = RayModels(queries, uploads, settings.serve.batch)
    service = open_service(settings, models)
    with suppress(AutotagError):  # the application tries on, and says meanwhile what is missing
        models.warm_up()
        service.search.warm_up()
    return service
