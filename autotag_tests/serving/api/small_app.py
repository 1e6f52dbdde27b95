"""An application of a few routes, with the layers of the API around it and no service behind it."""

import asyncio
from collections.abc import Callable

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from autotag.serving.api.body_guard import BodyGuard
from autotag.serving.api.edge import Edge
from autotag.serving.api.errors_as_problems import answer_with_problems
from autotag.serving.api.key_file import Keys
from autotag.serving.api.keys import reads, writes
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.own_site import OwnSite


def small_app(
    keys: Keys | None = None,
    metrics: Metrics | None = None,
    fails_with: Callable[[], BaseException] = RuntimeError,
    most_in_flight: int = 8,
) -> FastAPI:
    """`fails_with` makes what GET /fails raises."""
    app = FastAPI()
    app.state.keys = keys
    answer_with_problems(app)

    @app.get("/read/{name}", dependencies=[Depends(reads)])
    def read(name: str, k: int = 1) -> dict[str, object]:
        return {"name": name, "k": k}

    @app.post("/write", dependencies=[Depends(writes)])
    def write(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.delete("/read/{name}")
    def delete(name: str) -> dict[str, str]:
        return {"deleted": name}

    @app.post("/upload")
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/fails")
    def fails() -> None:
        raise fails_with()

    @app.get("/own")
    def own() -> JSONResponse:
        return JSONResponse({}, headers={"cache-control": "private, max-age=60"})

    @app.get("/waits")
    async def waits() -> None:
        await asyncio.sleep(0.5)

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def parts():
            yield b"half"
            raise RuntimeError("secret half way")

        return StreamingResponse(parts())

    app.add_middleware(BodyGuard, upload_paths=("/upload",), max_upload_bytes=3 << 20, timeout_s=0.3)
    if keys is not None:
        app.add_middleware(OwnSite, keys=keys)
    app.add_middleware(Edge, metrics=metrics or Metrics(), most_in_flight=most_in_flight)
    return app
