"""Pictures of hits: thumbnails where there are some, else made small when they are shown."""

from typing import NamedTuple

import streamlit as st

from autotag.domain.identity import INGESTED_KEY
from autotag.errors import AutotagError
from autotag.review.boxed_picture import boxed_picture
from autotag.review.source_pictures import SourcePicture, SourceRegion
from autotag.search.answers import Over, SearchHit
from autotag.serving.studio.detail import LONG_EDGE_PX, pictures_of
from autotag.serving.studio.media import jpeg_address, media_address
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_query import Example
from autotag.serving.studio.workbench import Workbench

SMALL_PX = 320
EXAMPLE_PX = 96
EXAMPLES_KEPT = 512
PICTURES_KEPT = 128
"""Large ones among them, of some hundred kilobytes each."""


class Shown(NamedTuple):
    """Where the browser finds a picture, or why there is none."""

    address: str
    reason: str = ""


def hit_picture(bench: Workbench, over: Over, hit: SearchHit, place: str) -> Shown:
    """A hit, small.

    Args:
        bench: whose tables.
        over: where it was found.
        hit: the image.
        place: names the picture's place on the page.
    """
    if over == "catalog" and hit.folder != INGESTED_KEY:
        thumbnail = bench.tables(hit.folder).thumbnail(hit.media_id, bench.settings.review.thumbnail_px)
        if address := media_address(thumbnail, place):
            return Shown(address)
    return _shown(_picture(bench, over, hit, SMALL_PX), place)


def large_picture(bench: Workbench, over: Over, hit: SearchHit) -> Shown:
    """A hit, as large as a window; arguments as of `hit_picture`."""
    return _shown(_picture(bench, over, hit, LONG_EDGE_PX), "hit-large")


def example_picture(engine: SearchEngine, example: Example, place: str) -> Shown:
    """An example, very small."""
    try:
        return Shown(jpeg_address(_example(f"{example.name}{example.media_id}", engine, example), place))
    except AutotagError as error:
        return Shown("", str(error))


def _picture(bench: Workbench, over: Over, hit: SearchHit, long_edge_px: int) -> SourcePicture:
    if over == "reference":
        whole = SourceRegion(hit.folder, hit.file, hit.media_id, (0, 0, hit.width, hit.height))
        return pictures_of(bench).picture(bench.plan.model_id, whole, long_edge_px)
    try:
        return SourcePicture(_of_folder(hit.media_id, long_edge_px, repr(bench.plan.layout), bench, hit))
    except AutotagError as error:
        return SourcePicture(b"", str(error))


def _shown(found: SourcePicture, place: str) -> Shown:
    return Shown(jpeg_address(found.jpeg, place), found.reason)


@st.cache_data(max_entries=PICTURES_KEPT, show_spinner=False)
def _of_folder(media_id: str, long_edge_px: int, layout: str, _bench: Workbench, _hit: SearchHit) -> bytes:
    del media_id, layout
    folder, limits = _bench.plan.layout.pictures(_hit.folder), _bench.plan.limits
    return boxed_picture(folder, _hit.file, limits, (), long_edge_px, _hit.media_id)


@st.cache_data(max_entries=EXAMPLES_KEPT, show_spinner=False)
def _example(name: str, _engine: SearchEngine, _example: Example) -> bytes:
    del name
    return _engine.pixels.jpeg(_example, EXAMPLE_PX)
