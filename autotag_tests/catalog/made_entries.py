"""Images for a catalog: made up, small, with vectors that say how near they are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from autotag.catalog.protocol import Catalog, CatalogHit, Vectors
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, image_id
from autotag.domain.identity import media_id

DIM = 8
MODEL = "fake-detector+fake-embedder"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

EAST = np.eye(DIM, dtype=np.float32)[0]
NORTH = np.eye(DIM, dtype=np.float32)[1]
"""At right angles: nothing that points north is like what points east."""


def towards(degrees: float) -> Vectors:
    """A unit vector, turned from `EAST` towards `NORTH`: its cosine with `EAST` falls as the angle grows."""
    angle = np.radians(degrees)
    return (np.cos(angle) * EAST + np.sin(angle) * NORTH).astype(np.float32)


def any_vector(seed: int) -> Vectors:
    """A unit vector, another one for each seed."""
    drawn = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def an_object(
    index: int, class_name: str = "dog", confidence: float = 0.9, embedding: Vectors = EAST
) -> CatalogObject:
    """An object of an image of 100 x 80 pixels."""
    return CatalogObject(index, (index, 2, index + 30, 40), class_name, confidence, embedding)


def an_image(
    file: str = "a.jpg",
    folder: str = "walks",
    embedding: Vectors = EAST,
    tags: Sequence[str] = (),
    objects: Sequence[CatalogObject] = (),
    taken_at: datetime | None = None,
    added_at: datetime = NOON,
) -> CatalogImage:
    """An image of 100 x 80 pixels."""
    return CatalogImage(
        image_id=image_id(folder, file),
        media_id=media_id(file.encode()),
        folder=folder,
        file=file,
        width=100,
        height=80,
        tags=tuple(tags),
        taken_at=taken_at,
        added_at=added_at,
        embedding=embedding,
        objects=tuple(objects),
    )


def many_images(count: int, objects: int = 2) -> list[CatalogImage]:
    """Images of four folders with vectors in all directions; every other one has the tag `even`, one in ten `rare`."""
    return [
        an_image(
            f"{number:05d}.jpg",
            folder=f"folder{number % 4}",
            embedding=any_vector(number * 100),
            tags=(["even"] if number % 2 == 0 else []) + (["rare"] if number % 10 == 3 else []),
            objects=[
                an_object(
                    index, ("dog", "cat", "bus")[(number + index) % 3], 0.5, any_vector(number * 100 + index)
                )
                for index in range(1, objects + 1)
            ],
            added_at=NOON + timedelta(minutes=number),
        )
        for number in range(count)
    ]


def files(found: Sequence[CatalogHit | CatalogImage]) -> list[str]:
    """Which files were found, in order."""
    return [each.file for each in found]


def everything(catalog: Catalog) -> list[CatalogImage]:
    """All images of a catalog, by id."""
    images: list[CatalogImage] = []
    while page := catalog.page(after=images[-1].image_id if images else "", limit=500):
        images += page
    return images
