"""Examples that the page's address names, found anew: after a reload, or where somebody opens a link.

The address names an image of the catalog by its id, one of the archive by its content, never a file: a link shows nothing that
search would not.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from autotag.catalog.protocol import Catalog
from autotag.domain.regions import clip_box
from autotag.errors import MissingInputError
from autotag.search.answers import Over
from autotag.search.catalog_search import CatalogSearch
from autotag.search.reference_mapping import ReferenceMapping
from autotag.search.reference_search import ReferenceSearch
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_query import Box, Example

_NAME = re.compile(
    r"(?:catalog:(?P<image_id>[0-9a-f]{32})|reference:(?P<media_id>[0-9a-f]{64})):(?P<box>\d{1,6}(?:-\d{1,6}){3})?"
)


class _Named(NamedTuple):
    over: Over
    identity: str
    box: Box | None


def recalled(names: Iterable[str], engine_over: Callable[[Over], SearchEngine]) -> list[Example]:
    """The examples of these names that are there still, in order; of uploads nothing is known but their name.

    Args:
        names: of examples, from an address.
        engine_over: opens what searches the catalog, or the archive.

    Raises:
        AutotagError: a store does not answer.
    """
    found = (_example(named, engine_over) for name in names if (named := _named(name)))
    return [each for each in found if each is not None]


def _named(name: str) -> _Named | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    x0, y0, x1, y1 = map(int, (match["box"] or "0-0-0-0").split("-"))
    box = (x0, y0, x1, y1) if match["box"] else None
    if match["image_id"]:
        return _Named("catalog", match["image_id"], box)
    return _Named("reference", match["media_id"], box)


def _example(named: _Named, engine_over: Callable[[Over], SearchEngine]) -> Example | None:
    try:
        search = engine_over(named.over).search
    except MissingInputError:  # what it was an image of is not there any more
        return None
    if isinstance(search, CatalogSearch):
        return _of_catalog(search.catalog, named)
    if isinstance(search, ReferenceSearch):
        return _of_archive(search.reference.mapping, named)
    return None


def _of_catalog(catalog: Catalog, named: _Named) -> Example | None:
    image = catalog.get([named.identity])[0]
    if image is None or not _is_in(named.box, image.width, image.height):
        return None
    objects = {each.box_xyxy_px: each.region_index for each in image.objects}
    index = 0 if named.box is None else objects.get(named.box)
    return Example("catalog", image.image_id, image.folder, image.file, image.media_id, named.box, index)


def _of_archive(mapping: ReferenceMapping, named: _Named) -> Example | None:
    number = mapping.images_of_media([named.identity]).get(named.identity)
    if number is None or named.box is None:
        return None
    image = mapping.images(np.array([number]), ["shard", "key", "first_row"]).to_pylist()[0]
    whole = mapping.regions(np.array([image["first_row"]], np.int64), ["box_xyxy_px"]).to_pylist()[0]
    frame = tuple(whole["box_xyxy_px"])
    if not _is_in(named.box, frame[2], frame[3]):
        return None
    place = f"{image['shard']}/{image['key']}"
    index = 0 if named.box == frame else None
    return Example("reference", place, str(image["shard"]), image["key"], named.identity, named.box, index)


def _is_in(box: Box | None, width_px: int, height_px: int) -> bool:
    """Whether a box lies in an image and has pixels; none is all of it."""
    if box is None:
        return True
    return clip_box(box, width_px, height_px) == box and box[0] < box[2] and box[1] < box[3]
