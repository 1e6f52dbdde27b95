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
        UsageError: an id or a region twice, a vector that is not (dim,), not finite or not of unit length, or text
            that is no Unicode.
    """
    twice = [name for name, times in Counter(each.image_id for each in images).items() if times > 1]
    if twice:
        raise UsageError(f"image {twice[0]} is given twice; give each image once")
    for image in images:
        _check_texts(image)
        _check_regions(image)
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


def is_unicode(text: str) -> bool:
    """Whether a text can be stored: lone surrogates, by which Python shows broken file names, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_texts(image: CatalogImage) -> None:
    named = (image.image_id, image.media_id, image.folder, image.file, *image.tags)
    for text in (*named, *(each.class_name for each in image.objects)):
        if not is_unicode(text):
            raise UsageError(
                f"{text!a} of image {image.image_id!a} is no Unicode text and cannot be stored; escape its"
                " lone surrogates"
            )


def _check_regions(image: CatalogImage) -> None:
    indices = [each.region_index for each in image.objects]
    if len(set(indices)) < len(indices) or any(index < 1 for index in indices):
        raise UsageError(
            f"image {image.image_id} ({image.file}) has objects with the region indices {indices}; give each"
            " its own, from 1"
        )


def _check_vector(vector: Vectors, dim: int, what: str) -> None:
    if vector.shape != (dim,):
        raise UsageError(f"{what} has the shape {vector.shape}; the catalog holds vectors of {dim} numbers")
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= _UNIT_TOLERANCE:  # a NaN is not near 1 either
        raise UsageError(f"{what} has the length {length:.3f}; vectors of the catalog have length 1")
