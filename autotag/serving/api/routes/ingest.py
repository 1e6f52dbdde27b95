"""Images taken in, and taken away."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import UsageError
from autotag.serving.api.answers import image_facts, json_answer, milliseconds_since
from autotag.serving.api.keys import writes
from autotag.serving.api.of_request import Service
from autotag.serving.api.routes.catalog import ImageId
from autotag.serving.api.sent_tags import LONGEST_TAG, MOST_TAGS, sent_tags
from autotag.serving.api.service import SearchService
from autotag.serving.api.uploads import FILE_FIELD, FORM_TYPE, received
from autotag.serving.api.wire import IMAGE_ID

TAGS_FIELD = "tags"

_FORM: dict[str, Any] = {
    "title": "IngestForm",
    "type": "object",
    "required": [FILE_FIELD],
    "additionalProperties": False,
    "properties": {
        FILE_FIELD: {
            "type": "string",
            "format": "binary",
            "description": "An image file; what it is, its content decides.",
        },
        TAGS_FIELD: {
            "type": "array",
            "maxItems": MOST_TAGS,
            "items": {"type": "string", "maxLength": LONGEST_TAG},
            "description": "Tags of yours, the field once for each; they come before those that are voted.",
        },
    },
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {FORM_TYPE: {"schema": _FORM, "encoding": {TAGS_FIELD: {"style": "form", "explode": True}}}},
}

router = APIRouter(tags=["ingest"], dependencies=[Depends(writes)])


class IngestedImage(BaseModel):
    """An image that is kept and can be found from now on."""

    image_id: str = Field(examples=[IMAGE_ID])
    media_id: str = Field(description="sha256 of its bytes.")
    is_new: bool = Field(description="False where the same bytes were here already.")
    num_detections: int = Field(description="Objects found in it.", examples=[2])
    tags: list[str] = Field(
        description="Yours first, then the voted ones by falling score.", examples=[["dog"]]
    )
    width: int = Field(description="Pixels of the upright image.", examples=[1920])
    height: int = Field(examples=[1080])
    link: str = Field(description="Everything known of it.", examples=[f"/images/{IMAGE_ID}"])
    thumbnail: str = Field(examples=[f"/images/{IMAGE_ID}/thumbnail"])
    processing_time_ms: float = Field(examples=[142.5])


class DeletedImage(BaseModel):
    """An image that the catalog does not hold any more."""

    image_id: str = Field(examples=[IMAGE_ID])
    file_removed: bool = Field(
        description="Whether its file went, too; a file in a folder of yours never does."
    )
    message: str


@router.post(
    "/ingest/image",
    response_model=IngestedImage,
    status_code=201,
    summary="Add an image",
    responses={
        200: {
            "model": IngestedImage,
            "description": "The same bytes were here already; new tags were added.",
        },
        408: {"description": "The file did not arrive in time."},
        413: {"description": "The file is too long."},
        415: {"description": "No form, or no image of a known kind."},
    },
    openapi_extra={"requestBody": _BODY},
)
async def ingest_image(service: Service, request: Request) -> Response:
    """Detect, embed, tag, keep and catalogue an image; the answer comes once it outlives a crash of the service.

    Sending the same bytes again is safe: it is the same image. After a 503, or no answer at all, send it again.
    """
    started_s = time.perf_counter()
    service.ingest.refuse_if_full()
    with await received(request, service.settings) as upload:
        _refuse_unknown(upload.fields)
        tags = sent_tags(upload.texts(TAGS_FIELD))
        service.metrics.stage("upload", time.perf_counter() - started_s)
        answer = await asyncio.wrap_future(service.ingest.submit(upload.read, tags))
    facts = image_facts(answer.image)
    told = {name: facts[name] for name in IngestedImage.model_fields if name in facts}
    own = {
        "is_new": answer.is_new,
        "num_detections": len(answer.image.objects),
        "processing_time_ms": milliseconds_since(started_s),
    }
    return json_answer(told | own, 201 if answer.is_new else 200)


@router.delete("/images/{image_id}", response_model=DeletedImage, summary="Take an image away")
def delete_image(service: Service, image_id: ImageId) -> Response:
    """An ingested image goes with its file, its tags and its thumbnail. An image in a folder of yours is only forgotten."""
    image = service.catalog_image(image_id)
    facts = _removed(service, image) if image.is_ingested else _forgotten(service, image)
    return json_answer({"image_id": image.image_id, **facts})


def _removed(service: SearchService, image: CatalogImage) -> dict[str, Any]:
    removed = service.ingest.remove(image)
    return {"file_removed": removed, "message": "the image, its tags and its thumbnail are deleted"}


def _forgotten(service: SearchService, image: CatalogImage) -> dict[str, Any]:
    service.catalog.delete([image.image_id])
    message = (
        "the catalog has forgotten it; its file is untouched, and cataloguing its folder again brings it back"
    )
    return {"file_removed": False, "message": message}


def _refuse_unknown(fields: Any) -> None:
    """A slip of the pen is no tag that silently goes missing.

    Raises:
        UsageError: the form holds other fields than those that are read.
    """
    unknown = next((name for name in fields if name != TAGS_FIELD), None)
    if unknown is not None:
        raise UsageError(
            f"the form holds the field {unknown[:80]!r}; it takes one file in {FILE_FIELD!r} and any number of {TAGS_FIELD!r}"
        )
