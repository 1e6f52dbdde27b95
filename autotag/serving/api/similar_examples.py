"""What a search by pictures starts from: vectors of the pictures that a request names."""

import time
from collections.abc import Sequence

import numpy as np

from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import MissingInputError, RejectedImageError, UsageError
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_pictures import Picture, check_box
from autotag.search.query_vectors import Examples
from autotag.serving.api.queries import SimilarQuery
from autotag.serving.api.service import SearchService
from autotag.storage.folder_files import read_file


def left_out(query: SimilarQuery) -> tuple[str, ...]:
    """Ids of images that are no answer: what is to be kept away from, and the image itself unless it is wanted."""
    if query.over != "catalog":
        return ()
    itself = [query.image_id] if query.image_id and not query.with_itself else []
    return tuple(dict.fromkeys([*itself, *query.unlike]))


def examples_of(service: SearchService, query: SimilarQuery, data: bytes | None) -> Examples:
    """Vectors of the file's bytes, or of what the request names, and of its counter-examples.

    Raises:
        UsageError: neither a picture nor words, two pictures, or a box outside its picture.
        MissingInputError: the catalog has no such image or object, or the image's file is gone.
        RejectedImageError: the file cannot be used.
        OverloadedError: too many pictures wait already.
    """
    like = _like(service, query, data)
    return Examples(
        like=_stacked(like, service.models.dim),
        unlike=_stacked(
            [each.embedding for each in service.catalog_images(query.unlike)], service.models.dim
        ),
        text_weight=query.text_weight,
        unlike_weight=query.unlike_weight,
    )


def _like(service: SearchService, query: SimilarQuery, data: bytes | None) -> list[Vectors]:
    if data is not None and query.image_id:
        raise UsageError("there are two pictures to look for; give a file or an image_id")
    if query.region_index is not None and query.box_xyxy_px:
        raise UsageError("region_index and box_xyxy_px both name a part of the image; give one of them")
    if data is not None:
        if query.region_index is not None:
            raise UsageError("the objects of a file are not known; give box_xyxy_px for a part of it")
        return [_embedded(service, Picture(data, query.box_xyxy_px))]
    if not query.image_id:
        if query.region_index is not None or query.box_xyxy_px:
            raise UsageError("there is a part and no picture; give a file, or an image_id")
        return []
    if query.box_xyxy_px:
        return [_of_box(service, query.image_id, query.box_xyxy_px)]
    return [service.search.vector_of(query.image_id, query.region_index or 0)]


def _of_box(service: SearchService, image_id: str, asked: Sequence[int]) -> Vectors:
    """The stored vector where the box is a known region's, else one made now."""
    image = service.catalog_image(image_id)
    box = check_box(asked, image.width, image.height)
    if box == (0, 0, image.width, image.height):
        return image.embedding
    for each in image.objects:
        if each.box_xyxy_px == box:
            return each.embedding
    return _embedded(service, Picture(_original(service, image), box))


def _original(service: SearchService, image: CatalogImage) -> bytes:
    layout = service.plan.layout
    folder = layout.ingested if image.is_ingested else layout.folder(image.folder)
    try:
        return read_file(folder, image.file, image.media_id)
    except (RejectedImageError, MissingInputError) as error:
        reason = error.reason if isinstance(error, RejectedImageError) else "its folder is gone"
        raise MissingInputError(
            f"the file of image {image.image_id} cannot be looked into ({reason}); catalog its folder again"
        ) from error


def _embedded(service: SearchService, picture: Picture) -> Vectors:
    started_s = time.perf_counter()
    (found,) = service.models.embed_pictures([picture])
    if isinstance(found, RejectedImageError):
        raise found
    service.metrics.stage("embed_picture", time.perf_counter() - started_s)
    return found


def _stacked(vectors: Sequence[Vectors], dim: int) -> Vectors:
    return np.stack(vectors) if vectors else np.zeros((0, dim), np.float32)
