"""One hit, large: draw a box, or choose an object, and look for more like that."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from autotag.domain.regions import clip_box
from autotag.search.answers import FoundRegion, SearchHit
from autotag.search.catalog_search import CatalogSearch
from autotag.serving.studio.chips import Chip, chips_html, plain_markdown
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_grid import mount, percent, told
from autotag.serving.studio.search_pictures import large_picture
from autotag.serving.studio.search_query import Asked
from autotag.serving.studio.search_state import (
    is_reviewable,
    less_like,
    look,
    look_for_part,
    more_like,
    review_image,
)
from autotag.serving.studio.workbench import Workbench, folder_name
from autotag.storage.folder_files import printable


def closer_look(
    bench: Workbench, engine: SearchEngine, asked: Asked, hits: tuple[SearchHit, ...], place: int
) -> None:
    """The hit at a place of the page.

    Args:
        bench: whose pictures.
        engine: that found it.
        asked: the question.
        hits: of the page.
        place: of the hit on the page, from 0.
    """
    hit = hits[place]
    _bar(bench, asked, hits, place)
    picture, facts = st.columns([3, 1.2], gap="large")
    with picture:
        _picture(bench, engine, asked, hit)
    with facts:
        _facts(hit)


def _bar(bench: Workbench, asked: Asked, hits: tuple[SearchHit, ...], place: int) -> None:
    hit, over = hits[place], asked.over
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("← Results", key="look-back", shortcut="Escape", on_click=look, args=("",))
        before, after = hits[max(place - 1, 0)], hits[min(place + 1, len(hits) - 1)]
        st.button(
            "‹ Previous",
            key="look-before",
            shortcut="Left",
            disabled=place == 0,
            on_click=look,
            args=(before.image_id,),
        )
        is_last = place + 1 == len(hits)
        st.button(
            "Next ›",
            key="look-after",
            shortcut="Right",
            disabled=is_last,
            on_click=look,
            args=(after.image_id,),
        )
        st.button("More like this", key="look-more", shortcut="m", on_click=more_like, args=(hit, over))
        if asked.ranks:
            st.button("Less like this", key="look-less", shortcut="x", on_click=less_like, args=(hit, over))
        if is_reviewable(over, hit, bench.folders()):
            st.button(
                "Review",
                key="look-review",
                type="primary",
                shortcut="o",
                on_click=review_image,
                args=(hit, hits),
            )


def _picture(bench: Workbench, engine: SearchEngine, asked: Asked, hit: SearchHit) -> None:
    shown = large_picture(bench, asked.over, hit)
    if not shown.address:
        st.warning(plain_markdown(f"{hit.file} cannot be shown: {shown.reason}"))
        return
    regions = objects_of(engine, hit)

    def chosen() -> None:
        search_part(asked, hit, regions, told("look"))

    data = {
        "id": hit.image_id,
        "name": printable(hit.file),
        "picture": shown.address,
        "width": max(hit.width, 1),
        "height": max(hit.height, 1),
        "boxes": [_box(each, hit) for each in regions],
    }
    mount("search_look", "look", data, chosen)
    st.caption(
        "Draw a box on the picture, or click an object, to look for more like it; words and other examples stay."
    )


def objects_of(engine: SearchEngine, hit: SearchHit) -> list[FoundRegion]:
    """Objects of a hit, the large ones first so that small ones lie on top: of the catalog all, else those that were found."""
    found = {each.region_index: each for each in hit.regions if each.region_index}
    if isinstance(engine.search, CatalogSearch):
        image = engine.search.catalog.get([hit.image_id])[0]
        for each in image.objects if image is not None else ():
            known = FoundRegion(each.region_index, each.box_xyxy_px, each.class_name, each.confidence, 0.0)
            found.setdefault(each.region_index, known)
    return sorted(found.values(), key=lambda each: -_area_px(each.box_xyxy_px))


def search_part(asked: Asked, hit: SearchHit, regions: Sequence[FoundRegion], said: dict[str, Any]) -> None:
    """Look for more like the object, or the box, that the script tells of; nothing for what is not on the page any more.

    Args:
        asked: the question that found the hit.
        hit: the image.
        regions: its objects.
        said: the image's id with `region`, the number of an object, or `box`: x0, y0, x1, y1 in shares of the image.
    """
    if said.get("id") != hit.image_id:
        return
    for each in regions:
        if each.region_index == said.get("region"):
            look_for_part(hit, asked.over, each.box_xyxy_px, each.region_index)
            return
    if box := said.get("box"):
        sides = (hit.width, hit.height, hit.width, hit.height)
        drawn = clip_box(
            [share * side for share, side in zip(box, sides, strict=True)], hit.width, hit.height
        )
        if _area_px(drawn):
            look_for_part(hit, asked.over, drawn, None)


def _box(region: FoundRegion, hit: SearchHit) -> dict[str, Any]:
    name = printable(region.class_name)
    return {
        "region": region.region_index,
        "percent": percent(region.box_xyxy_px, hit),
        "label": f"{name} {region.confidence:.2f}" if name else "",
        "matches": any(each.region_index == region.region_index for each in hit.regions),
    }


def _facts(hit: SearchHit) -> None:
    place = hit.folder if hit.added_at is None else folder_name(hit.folder)
    st.markdown(f"**{plain_markdown(hit.file)}**")
    st.caption(plain_markdown(place))
    if hit.score is not None:
        st.markdown(f"score **{hit.score:.3f}**")
    if hit.tags:
        st.html(chips_html([Chip(tag, "vote") for tag in hit.tags]))
    taken = f" · taken {hit.taken_at:%Y-%m-%d}" if hit.taken_at else ""
    st.caption(f"{hit.width} x {hit.height} px{taken}")


def _area_px(box: Sequence[int]) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])
