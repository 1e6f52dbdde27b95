"""The application: routes, errors, access and limits around a service."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI

from autotag import __version__
from autotag.serving.api.body_guard import BodyGuard
from autotag.serving.api.docs_page import router as docs
from autotag.serving.api.edge import Edge
from autotag.serving.api.errors_as_problems import answer_with_problems
from autotag.serving.api.keys import Keys
from autotag.serving.api.openapi import describe
from autotag.serving.api.own_site import OwnSite
from autotag.serving.api.ray_access import NearOrWithKey
from autotag.serving.api.routes.catalog import router as catalog
from autotag.serving.api.routes.health import router as health
from autotag.serving.api.routes.ingest import router as ingest
from autotag.serving.api.routes.pictures import router as pictures
from autotag.serving.api.routes.search import router as search
from autotag.serving.api.service import SearchService
from autotag.serving.api.warming import Warming

UPLOAD_PATHS = ("/ingest/image", "/search/similar")
CLOSE_S = 30.0
"""How long accepted ingests have when the service ends."""

THREADS_A_CORE = 2
"""Beside those that wait for a model together: threads that compute get in each other's way."""


def create_app(service: SearchService, keys: Keys | None = None, *, only_near: bool = False) -> FastAPI:
    """The API of a service; it is warmed up when the application starts, and closed when it ends.

    Args:
        service: that handlers find in `app.state.service`.
        keys: who is let in; without them everybody is, as behind something that decides on that.
        only_near: while no key is in use, answer this machine alone; for an application for which others listen.
    """
    app = FastAPI(
        title="autotag", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_lifespan
    )  # fmt: skip
    app.state.service = service
    app.state.keys = keys
    _watch(service)
    answer_with_problems(app)
    for router in (search, catalog, pictures, ingest, health, docs):
        app.include_router(router)
    app.openapi = partial(describe, app)
    serve = service.settings.serve
    app.add_middleware(
        BodyGuard,
        upload_paths=UPLOAD_PATHS,
        max_upload_bytes=serve.max_upload_bytes,
        timeout_s=serve.upload_timeout_s,
    )
    if keys is not None:
        app.add_middleware(OwnSite, keys=keys)
        if only_near:
            app.add_middleware(NearOrWithKey, keys=keys)
    app.add_middleware(Edge, metrics=service.metrics, most_in_flight=serve.max_waiting)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: SearchService = app.state.service
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = service.settings.serve.batch + THREADS_A_CORE * cores
    current_default_thread_limiter().total_tokens = threads
    warming = Warming(service)
    warming.start()
    try:
        yield
    finally:
        warming.stop()
        # Not behind requests that are stuck: what ends them is this.
        await run_sync(service.close, CLOSE_S, limiter=CapacityLimiter(1))


def _watch(service: SearchService) -> None:
    metrics = service.metrics
    metrics.watch_text_cache(lambda: service.search.texts.counts)
    metrics.watch_queues(lambda: service.models.waiting)
    metrics.watch_catalog(service.catalog.size)
    metrics.watch_gpus()
