"""What those ask who watch the service: is it alive, can it answer, what are its figures."""

from functools import partial
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from autotag import __version__
from autotag.serving.api.keys import reads
from autotag.serving.api.of_request import Service
from autotag.serving.api.problems import ProblemError, retry_after

RETRY_READY_S = 5.0
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str = Field(examples=["ok"])
    version: str = Field(examples=[__version__])


class Ready(BaseModel):
    """Searches are answered at full speed."""

    status: str = Field(examples=["ready"])
    model_id: str = Field(description="Of all vectors.")


@router.get("/healthz", response_model=Alive, summary="Is the process alive?")
async def healthz() -> Alive:
    """Always 200 while the process lives; asks neither models nor stores."""
    return Alive(status="ok", version=__version__)


@router.get("/readyz", response_model=Ready, summary="Can it answer searches?")
async def readyz(request: Request, service: Service) -> Ready:
    """200 once models are loaded and the catalog answers; until then 503 with a problem whose `missing` says what is not ready."""
    missing = list(dict.fromkeys(await run_sync(service.obstacles, limiter=_apart(request))))
    if missing:
        raise ProblemError(
            503,
            f"not ready: {'; '.join(missing)}",
            kind="not-ready",
            headers=retry_after(RETRY_READY_S),
            members={"missing": missing},
        )
    return Ready(status="ready", model_id=service.models.model_id)


@router.get(
    "/metrics",
    dependencies=[Depends(reads)],
    response_class=Response,
    responses={200: {"content": {_METRICS_TYPE: {"schema": {"type": "string"}}}}},
    summary="Figures for Prometheus",
)
async def metrics(request: Request, service: Service, accept: Annotated[str, Header()] = "") -> Response:
    """Request latencies, batch sizes, cache hits, queue depths, catalog size, GPU use: in Prometheus's text format."""
    told = partial(service.metrics.told, accept)
    body, content_type = await run_sync(told, limiter=_apart(request))
    return Response(body, media_type=content_type)


def _apart(request: Request) -> CapacityLimiter:
    """Threads of their own: those that watch a busy service do not wait behind its searches."""
    state = request.app.state
    if not hasattr(state, "watchers"):
        state.watchers = CapacityLimiter(2)
    return state.watchers
