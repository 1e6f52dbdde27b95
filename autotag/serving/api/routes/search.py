"""Searches: by words, by filters, by objects, by pictures."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from autotag.serving.api.answers import told
from autotag.serving.api.keys import KeyBeforeBody, reads
from autotag.serving.api.of_request import Service
from autotag.serving.api.queries import HybridQuery, ObjectsQuery, TextQuery
from autotag.serving.api.routes.similar import router as similar
from autotag.serving.api.wire import FoundImages

router = APIRouter(tags=["search"], dependencies=[Depends(reads)], route_class=KeyBeforeBody)
router.include_router(similar)


@router.get("/search/text", response_model=FoundImages, summary="Images that words describe")
def search_text(service: Service, query: Annotated[TextQuery, Query()]) -> Response:
    """The k images whose best region is nearest to the words, with scores; none where no image stands out from the rest."""
    started_s = time.perf_counter()
    wanted = service.allowed(query.wanted())
    return told(service, service.searching(query.over).text(query.q, wanted), query.over, started_s)


@router.post(
    "/search/hybrid", response_model=FoundImages, summary="Images that pass a filter, by words or by date"
)
def search_hybrid(service: Service, query: HybridQuery) -> Response:
    """Images that meet all conditions: the nearest to the words, or without words the newest."""
    started_s = time.perf_counter()
    wanted = service.allowed(query.wanted())
    answer = service.searching(query.over).hybrid(query.text_query, wanted)
    return told(service, answer, query.over, started_s)


@router.post("/search/objects", response_model=FoundImages, summary="Objects that words describe")
def search_objects(service: Service, query: ObjectsQuery) -> Response:
    """Images with objects that words describe; each with the boxes of all of its objects that match."""
    started_s = time.perf_counter()
    wanted = service.allowed(query.wanted())
    return told(service, service.searching(query.over).objects(query.text, wanted), query.over, started_s)
