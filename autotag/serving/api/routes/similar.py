"""The search by pictures: a file, an image of the catalog, or a box in either; with words and counter-examples."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from autotag.serving.api.answers import told
from autotag.serving.api.body_guard import WORDS_BYTES
from autotag.serving.api.of_request import Service
from autotag.serving.api.problems import ProblemError
from autotag.serving.api.queries import SimilarQuery
from autotag.serving.api.service import SearchService
from autotag.serving.api.similar_bodies import form_schema, json_schema, similar_of_form, similar_of_json
from autotag.serving.api.similar_examples import examples_of, left_out
from autotag.serving.api.uploads import received
from autotag.serving.api.wire import FoundImages

_JSON = "application/json"
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": {"schema": form_schema()}, _JSON: {"schema": json_schema()}},
}

router = APIRouter()


@router.post(
    "/search/similar",
    response_model=FoundImages,
    summary="Images like a picture",
    openapi_extra={"requestBody": _BODY},
)
async def search_similar(service: Service, request: Request) -> Response:
    """Images like a file, an image of the catalog, or a box in either; also like words, and unlike other images."""
    started_s = time.perf_counter()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON:
        query = similar_of_json(await _short_body(request, service.settings.serve.upload_timeout_s))
        return await run_in_threadpool(_similar, service, query, None, started_s)
    with await received(request, service.settings, needs_file=False) as upload:
        query = similar_of_form(upload.fields)
        service.metrics.stage("upload", time.perf_counter() - started_s)
        # Read by the thread that needs it: those that wait for one wait on the disk.
        read = upload.read if upload.has_file else None
        return await run_in_threadpool(_similar, service, query, read, started_s)


def _similar(
    service: SearchService, query: SimilarQuery, read: Callable[[], bytes] | None, started_s: float
) -> Response:
    wanted = service.allowed(query.wanted(left_out(query)))
    search = service.searching(query.over)
    examples = examples_of(service, query, read() if read else None)
    answer = search.similar(examples, wanted, text=query.text, sought=query.sought)
    return told(service, answer, query.over, started_s)


async def _short_body(request: Request, timeout_s: float) -> bytes:
    """The whole body. Files come to this address as well, so that nobody before has watched its length and time."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                body += part
                if len(body) > WORDS_BYTES:
                    raise ProblemError(
                        413,
                        f"the body is longer than the {WORDS_BYTES:,} bytes allowed here",
                        headers={"Connection": "close"},
                    )
    except TimeoutError:
        raise ProblemError(
            408, f"the body did not arrive within {timeout_s:g} s", headers={"Connection": "close"}
        ) from None
    return bytes(body)
