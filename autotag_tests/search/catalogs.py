"""Catalogs of made-up images in memory, and searches over them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, image_id
from autotag.domain.vectors import normalise
from autotag.models.fakes import COLOURS, DIM, FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.search.catalog_search import CatalogSearch
from autotag.search.text_vectors import TextVectors

MODEL = "fake_detector+fake_embedder"
DAWN = datetime(2024, 1, 1, tzinfo=UTC)
CLASSES = ("car", "dog", "bird")


def catalog_of(images: Sequence[CatalogImage]) -> InMemoryCatalog:
    catalog = InMemoryCatalog(MODEL, DIM)
    catalog.upsert(images)
    return catalog


def search_over(catalog: InMemoryCatalog, false_alarms: float = 0.05) -> CatalogSearch:
    return CatalogSearch(catalog, TextVectors(FakeEmbedder().embed_texts, MODEL), false_alarms=false_alarms)


def image(
    number: int,
    vector: Vectors,
    objects: Sequence[Vectors] = (),
    *,
    tags: Sequence[str] = (),
    folder: str = "f",
) -> CatalogImage:
    """Image `number` of a folder, taken so many days after 2024 began; object i is of the i-th class, confidence 0.9 - i / 10."""
    found = [
        CatalogObject(i + 1, (i, i, i + 10, i + 10), CLASSES[i % 3], max(0.0, 0.9 - i / 10), each)
        for i, each in enumerate(objects)
    ]
    file = f"{number:05d}.jpg"
    date = DAWN + timedelta(days=number)
    return CatalogImage(
        image_id(folder, file), f"{number:064x}", folder, file, 100, 80, tuple(tags), date, DAWN, vector, tuple(found)
    )  # fmt: skip


def random_images(regions: Sequence[int], seed: int, distinct: int | None = None) -> list[CatalogImage]:
    """Images with so many objects each, whose vectors are drawn from `distinct` ones: few make many equal scores."""
    rng = np.random.default_rng(seed)
    pool = normalise(rng.normal(size=(distinct or 10_000, DIM)).astype(np.float32))
    images = []
    for number, objects in enumerate(regions):
        vectors = pool[rng.integers(0, len(pool), objects + 1)]
        tags = [tag for place, tag in enumerate(("even", "third")) if number % (place + 2) == 0]
        images.append(
            image(number, vectors[0], list(vectors[1:]), tags=tags, folder="a" if number % 3 else "a/b")
        )
    return images


def colour_images(each: int = 20, without: Sequence[str] = ()) -> list[CatalogImage]:
    """Images of the colours, a little different from each other; none of the colours left out."""
    rng = np.random.default_rng(1)
    colours = [colour for colour in COLOURS for _ in range(each) if colour not in without]
    vectors = FakeEmbedder().embed_texts(colours)
    noisy = normalise((vectors + 0.05 * rng.normal(size=vectors.shape)).astype(np.float32))
    return [
        image(i, vector, tags=[colour]) for i, (vector, colour) in enumerate(zip(noisy, colours, strict=True))
    ]
