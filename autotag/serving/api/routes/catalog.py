"""What the catalog holds: an image, all images page after page, and tags."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from autotag.search.answers import Wanted
from autotag.serving.api.answers import image_facts, json_answer, milliseconds_since, told
from autotag.serving.api.keys import reads
from autotag.serving.api.of_request import Service
from autotag.serving.api.queries import LONGEST_NAME, ImagesQuery, TagsQuery
from autotag.serving.api.wire import IMAGE_ID, FoundImages, Image, Tags

ImageId = Annotated[str, Path(max_length=LONGEST_NAME, examples=[IMAGE_ID])]

router = APIRouter(tags=["catalog"], dependencies=[Depends(reads)])


@router.get("/images", response_model=FoundImages, summary="Images, the newest first")
def list_images(service: Service, query: Annotated[ImagesQuery, Query()]) -> Response:
    """Images that meet all conditions, a page at a time: `next` of an answer is `after` of the next request."""
    started_s = time.perf_counter()
    wanted = service.allowed(Wanted(query.limit, query.where(), after=query.after))
    return told(service, service.search.hybrid(None, wanted), "catalog", started_s)


@router.get("/images/{image_id}", response_model=Image, summary="An image")
def one_image(service: Service, image_id: ImageId) -> Response:
    """Everything the catalog knows of an image: where it lies, its tags, its objects."""
    return json_answer(image_facts(service.catalog_image(image_id)))


@router.get("/tags", response_model=Tags, summary="Tags, the most frequent first")
def list_tags(service: Service, query: Annotated[TagsQuery, Query()]) -> Response:
    """Tags of the images that meet all conditions, and how many images have each."""
    started_s = time.perf_counter()
    counts = service.catalog.tags(query.where(), query.limit)
    tags = [{"tag": each.tag, "images": each.images} for each in counts]
    return json_answer({"tags": tags, "processing_time_ms": milliseconds_since(started_s)})
