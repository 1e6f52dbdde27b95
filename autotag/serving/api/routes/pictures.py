"""Pictures of images: a thumbnail, and the objects in it cut out."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, NamedTuple

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import MissingInputError
from autotag.serving.api.keys import reads
from autotag.serving.api.of_request import Service
from autotag.serving.api.routes.catalog import ImageId
from autotag.serving.api.served_pictures import ServedPictures
from autotag.serving.api.service import SearchService

JPEG = "image/jpeg"
LEAST_PX, MOST_PX = 16, 4096
MADE_AT_ONCE = 2
"""Large pictures take hundreds of megabytes while they are decoded."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {JPEG: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The picture that the client has is the one."},
    404: {"description": "No such image or region, or its file is gone or was changed."},
}


class _Shown(NamedTuple):
    pictures: ServedPictures
    makers: CapacityLimiter
    """Threads of their own: searches do not wait behind a page of large pictures."""


router = APIRouter(tags=["catalog"], dependencies=[Depends(reads)])

IfNoneMatch = Annotated[str, Header()]


@router.get(
    "/images/{image_id}/thumbnail", response_class=Response, responses=_ANSWERS, summary="A small picture"
)
async def thumbnail(
    service: Service, request: Request, image_id: ImageId, if_none_match: IfNoneMatch = ""
) -> Response:
    """The whole image, upright, as a small JPEG."""
    image = await run_in_threadpool(service.catalog_image, image_id)
    pictures, makers = _shown(request, service)

    async def jpeg() -> bytes:
        kept = await run_in_threadpool(pictures.kept_thumbnail, image)
        return kept or await run_sync(pictures.made_thumbnail, image, limiter=makers)

    return await _unless_known(if_none_match, (image.media_id[:32], pictures.thumbnail_px), jpeg)


@router.get(
    "/images/{image_id}/crops/{region_index}",
    response_class=Response,
    responses=_ANSWERS,
    summary="An object, cut out",
)
async def crop(
    service: Service,
    request: Request,
    image_id: ImageId,
    region_index: Annotated[int, Path(ge=0, le=2**31 - 1, examples=[1])],
    long_edge_px: Annotated[int, Query(ge=LEAST_PX, le=MOST_PX)] = 512,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """A region of the image as a JPEG, never enlarged; region 0 is the whole image."""
    image = await run_in_threadpool(service.catalog_image, image_id)
    box = _box(image, region_index)
    pictures, makers = _shown(request, service)

    async def jpeg() -> bytes:
        return await run_sync(pictures.crop, image, box, long_edge_px, limiter=makers)

    return await _unless_known(if_none_match, (image.media_id[:32], *box, long_edge_px), jpeg)


def _box(image: CatalogImage, region_index: int) -> tuple[int, int, int, int]:
    if region_index == 0:
        return 0, 0, image.width, image.height
    for each in image.objects:
        if each.region_index == region_index:
            return each.box_xyxy_px
    raise MissingInputError(
        f"image {image.image_id} has no region {region_index}; GET /images/{image.image_id} lists those it has"
    )


def _shown(request: Request, service: SearchService) -> _Shown:
    state = request.app.state
    if not hasattr(state, "shown"):
        pictures = ServedPictures(service.plan, service.settings.review.thumbnail_px)
        state.shown = _Shown(pictures, CapacityLimiter(MADE_AT_ONCE))
    return state.shown


async def _unless_known(
    if_none_match: str, identity: Iterable[object], jpeg: Callable[[], Awaitable[bytes]]
) -> Response:
    """The picture, or that the client has it already; `identity` is all that another picture would have otherwise."""
    tag = f'"{"-".join(map(str, identity))}"'
    # An image id names a place: another file may lie there later, so a client asks each time whether its picture still holds.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    given = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    if tag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(await jpeg(), media_type=JPEG, headers=headers)
