"""Hits as cards, and the examples they were found by: one element of the page, with keys of its own.

A component of ours rather than elements of Streamlit's, of which a page of hits would take a hundred. Its script writes names
and tags as text.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from autotag.search.answers import Over, SearchAnswer, SearchHit
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_pictures import Shown, example_picture, hit_picture
from autotag.serving.studio.search_query import Asked, Example
from autotag.serving.studio.search_state import (
    is_reviewable,
    lean,
    leaning,
    less_like,
    look,
    more_like,
    review_image,
)
from autotag.serving.studio.workbench import Workbench, folder_name
from autotag.storage.folder_files import printable

TAGS_SHOWN = 6


def example_strip(engine: SearchEngine, asked: Asked) -> None:
    """Pictures that are looked for, and those that are kept away from, each with a button that leaves it out."""
    found = [("like", each) for each in asked.leaning.like] + [
        ("unlike", each) for each in asked.leaning.unlike
    ]
    if not found:
        return
    shown = [
        _example(kind, each, example_picture(engine, each, f"example-{n}"))
        for n, (kind, each) in enumerate(found)
    ]

    def dropped() -> None:
        lean(leaning().without(told("examples").get("id", "")))

    mount("search_grid", "examples", {"examples": shown, "hits": [], "ranks": False}, dropped)


def hit_grid(bench: Workbench, asked: Asked, answer: SearchAnswer, cut: float | None, rank: int) -> None:
    """The page of hits.

    Args:
        bench: whose pictures.
        asked: the question; without anything to rank by, no hit can be less wanted than another.
        answer: what was found.
        cut: what a hit should have reached; those that did not are shown as such.
        rank: images on the pages before.
    """
    folders = frozenset(bench.folders())
    cards = [
        hit_card(hit, hit_picture(bench, asked.over, hit, f"hit-{place}"), cut)
        | {
            "title": f"{rank + place + 1}. {printable(hit.file)}",
            "reviewable": is_reviewable(asked.over, hit, folders),
        }
        for place, hit in enumerate(answer.hits)
    ]

    def acted() -> None:
        said = told("hits")
        act(bench, asked.over, answer.hits, said.get("verb", ""), said.get("id", ""))

    mount("search_grid", "hits", {"examples": [], "hits": cards, "ranks": asked.ranks}, acted)


def act(bench: Workbench, over: Over, hits: Sequence[SearchHit], verb: str, image_id: str) -> None:
    """Do what a button or a key of a card asks for; nothing for what is not on the page any more."""
    hit = next((each for each in hits if each.image_id == image_id), None)
    if hit is None:
        return
    if verb == "more":
        more_like(hit, over)
    elif verb == "less":
        less_like(hit, over)
    elif verb == "look":
        look(image_id)
    elif verb == "review" and is_reviewable(over, hit, bench.folders()):
        review_image(hit, hits)


def hit_card(hit: SearchHit, picture: Shown, cut: float | None) -> dict[str, Any]:
    """What the script draws of a hit."""
    place = printable(hit.folder) if hit.added_at is None else folder_name(hit.folder)
    return {
        "id": hit.image_id,
        "name": printable(hit.file),
        "place": place,
        "score": "" if hit.score is None else f"{hit.score:.3f}",
        "low": hit.score is not None and hit.score <= 0,
        "uncut": cut is None,
        "weak": cut is not None and hit.score is not None and hit.score < cut,
        "picture": picture.address,
        "reason": printable(picture.reason),
        "width": max(hit.width, 1),
        "height": max(hit.height, 1),
        "tags": [printable(tag) for tag in hit.tags[:TAGS_SHOWN]],
        "boxes": [
            {"percent": percent(each.box_xyxy_px, hit), "label": printable(each.class_name)}
            for each in hit.regions
            if each.region_index
        ],
    }


def percent(box_xyxy_px: Sequence[int], hit: SearchHit) -> list[float]:
    """Left, top, width and height of a box in percent of its image."""
    x0, y0, x1, y1 = box_xyxy_px
    width, height = max(hit.width, 1), max(hit.height, 1)
    shares = (x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height)
    return [round(100 * share, 2) for share in shares]


def mount(name: str, key: str, data: dict[str, Any], on_act: Callable[[], None]) -> None:
    """Draw one of our components.

    Args:
        name: of its files.
        key: of the session's state.
        data: for its script.
        on_act: called for what its script tells; that lies in the session's state, as `act` of the key.
    """
    script, style = _files(name)
    draw = component(f"autotag_{name}", html='<div class="root"></div>', css=style, js=script)
    draw(key=key, data=data, on_act_change=on_act)


def _example(kind: str, each: Example, picture: Shown) -> dict[str, Any]:
    part = "" if each.box_xyxy_px is None or each.region_index == 0 else "part of "
    return {
        "id": each.name,
        "kind": kind,
        "told": f"{'like' if kind == 'like' else 'not like'} {part}{printable(each.file)}",
        "title": printable(picture.reason or each.file),
        "picture": picture.address,
    }


def told(key: str) -> dict[str, Any]:
    """What a component's script has told just now.

    Empty where Streamlit has forgotten the component meanwhile, as it may where a run was cut short: the click is lost then, and
    the page stays.
    """
    state = st.session_state.get(key)
    return (state.act if state is not None else None) or {}


@cache
def _files(name: str) -> tuple[str, str]:
    """Script and style."""
    here = Path(__file__).parent
    return (here / f"{name}.js").read_text(encoding="utf-8"), (here / f"{name}.css").read_text(
        encoding="utf-8"
    )
