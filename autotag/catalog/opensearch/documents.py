"""An image of the catalog as a document, and back."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from autotag.catalog.opensearch.index_shape import IMAGE_VECTOR, OBJECTS
from autotag.domain.catalog_entries import FACTS, CatalogImage, CatalogObject
from autotag.domain.catalog_filters import classes_with_steps, confidence_step
from autotag.domain.identity import folder_key, folder_path

DRAWS = 2**31 - 1
"""Lots of regions are whole numbers below this: the largest that an `integer` field can be asked about."""

_KEPT = tuple(name for name in FACTS if name not in ("tags", "taken_at", "added_at"))
"""Facts that a document holds as they are, under their own names."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_document(image: CatalogImage) -> dict[str, Any]:
    """The document that stands for an image; its `_id` is the image id."""
    asked = _filter_values(image)
    return {
        **asked,
        "draw": _draw(image.image_id, 0),
        **{name: getattr(image, name) for name in _KEPT},
        "words": [*image.tags, *sorted({each.class_name for each in image.objects} - {""})],
        "taken_at": image.taken_at.astimezone(UTC).isoformat() if image.taken_at else None,
        "upload_date": image.added_at.astimezone(UTC).isoformat(),
        "object_count": len(image.objects),
        IMAGE_VECTOR: image.embedding.tolist(),
        OBJECTS: [_object_document(image, each, asked) for each in image.objects],
    }


def from_document(source: dict[str, Any]) -> CatalogImage:
    """The image that a whole document stands for."""
    return CatalogImage(
        **facts_of(source),
        embedding=np.asarray(source[IMAGE_VECTOR], np.float32),
        objects=tuple(_object(each) for each in source[OBJECTS]),
    )


def facts_of(source: dict[str, Any]) -> dict[str, Any]:
    """`FACTS` of the image that a document stands for."""
    own = {name: source[name] for name in _KEPT}
    return own | {
        "tags": tuple(source["tags"]),
        "taken_at": datetime.fromisoformat(source["taken_at"]) if source["taken_at"] else None,
        "added_at": datetime.fromisoformat(source["upload_date"]),
    }


def microseconds(date: datetime) -> int:
    """Since 1970, UTC; before, less than zero. Fields of dates keep milliseconds only, or end in 2262."""
    return (date - _EPOCH) // timedelta(microseconds=1)


def class_step(class_name: str, step: int) -> str:
    """A class of an image with its best confidence in hundredths, as one word."""
    return f"{class_name}@{step}"


def _filter_values(image: CatalogImage) -> dict[str, Any]:
    steps = classes_with_steps(image.objects)
    return {
        "image_id": image.image_id,
        "folder_paths": _paths_above(folder_path(image.folder)),
        "tags": list(image.tags),
        "date_us": microseconds(image.date),
        "class_steps": [class_step(name, step) for name, step in steps.items()],
        "best_step": max(steps.values(), default=None),
    }


def _object_document(image: CatalogImage, found: CatalogObject, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        **asked,
        "draw": _draw(image.image_id, found.region_index),
        "region_index": found.region_index,
        "bbox": list(found.box_xyxy_px),
        "class_name": found.class_name,
        "confidence": found.confidence,
        "confidence_step": confidence_step(found.confidence),
        "object_embedding": found.embedding.tolist(),
    }


def _object(source: dict[str, Any]) -> CatalogObject:
    x0, y0, x1, y1 = source["bbox"]
    return CatalogObject(
        source["region_index"],
        (x0, y0, x1, y1),
        source["class_name"],
        source["confidence"],
        np.asarray(source["object_embedding"], np.float32),
    )


def _paths_above(path: str) -> list[str]:
    """Keys of a folder and of those above it: a filter by folder asks for one of them."""
    ends = [place for place, sign in enumerate(path) if sign == "/"]
    return [folder_key(path[:end]) for end in (*ends, len(path))]


def _draw(image_id: str, region_index: int) -> int:
    """A region's lot: the same in every run, evenly spread below `DRAWS`."""
    digest = hashlib.sha256(f"{image_id}/{region_index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % DRAWS
