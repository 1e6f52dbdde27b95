"""What every store refuses, in one place: the same words whichever answers."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from autotag.catalog.protocol import Vectors
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import UsageError

_UNIT_TOLERANCE = 1e-2


def check_images(images: Sequence[CatalogImage], dim: int) -> None:
    """Refuse what cannot be stored.

    Raises:
        UsageError: an id twice, or a vector that is not (dim,), not finite or not of unit length.
    """
    twice = [name for name, times in Counter(each.image_id for each in images).items() if times > 1]
    if twice:
        raise UsageError(f"image {twice[0]} is given twice; give each image once")
    for image in images:
        for vector in (image.embedding, *(each.embedding for each in image.objects)):
            _check_vector(vector, dim, f"a vector of image {image.image_id} ({image.file})")


def check_search(vector: Vectors, k: int, dim: int, max_k: int) -> None:
    """Refuse what cannot be searched for.

    Raises:
        UsageError: k outside 1 to max_k, or a vector that is not (dim,), not finite or not of unit length.
    """
    if not 1 <= k <= max_k:
        raise UsageError(f"k is {k}; ask for 1 to {max_k}")
    _check_vector(vector, dim, "the query's vector")


def _check_vector(vector: Vectors, dim: int, what: str) -> None:
    if vector.shape != (dim,):
        raise UsageError(f"{what} has the shape {vector.shape}; the catalog holds vectors of {dim} numbers")
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= _UNIT_TOLERANCE:  # a NaN is not near 1 either
        raise UsageError(f"{what} has the length {length:.3f}; vectors of the catalog have length 1")
