"""What handlers get with a request: the service that the application was made for."""

from typing import Annotated

from fastapi import Depends, Request

from autotag.serving.api.service import SearchService


async def service_of(request: Request) -> SearchService:
    """The service in `app.state.service`. A coroutine, as a plain function would take a thread of the pool."""
    return request.app.state.service


Service = Annotated[SearchService, Depends(service_of)]
"""Annotation of a handler's parameter."""
