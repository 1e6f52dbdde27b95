"""What a visit to the search page remembers, most of it in the page's address, and what clicks make of it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import streamlit as st

from autotag.search.answers import Over, SearchHit
from autotag.serving.studio import address
from autotag.serving.studio.detail import CAME_FROM, CameFrom
from autotag.serving.studio.search_query import (
    EXAMPLES_KEPT,
    Asked,
    Box,
    Example,
    Leaning,
    Turning,
    example_of,
    part_of,
)
from autotag.serving.studio.sidebar import folder_told

MET = "search-examples"
"""Of the session: examples of this visit by name, the last ones. The address names those that count, and cannot hold uploads."""

MET_KEPT = 4 * EXAMPLES_KEPT
TURNING = "search-turning"
FORM = "search-form"
FORM_KEYS = address.FORM
"""Of the form's fields: what is not drawn, Streamlit may forget, or show another value of than it has."""


def leaning() -> Leaning:
    """Examples that the address names, as far as this visit has met them."""
    known, found = _met(), Leaning()
    for name in _named(address.UNLIKE):
        found = found.away_from(known[name]) if name in known else found
    for name in _named(address.LIKE):
        found = found.towards(known[name]) if name in known else found
    return found


def lean(now: Leaning) -> None:
    """Look for these from now on, among all hits."""
    meet((*now.like, *now.unlike))
    like, unlike = ([each.name for each in part] for part in (now.like, now.unlike))
    address.change(like=like, unlike=unlike, hit="")


def meet(examples: Iterable[Example]) -> None:
    """Remember examples by their names."""
    fresh = {each.name: each for each in examples}
    before = {name: each for name, each in _met().items() if name not in fresh}
    st.session_state[MET] = dict([*before.items(), *fresh.items()][-MET_KEPT:])


def unmet() -> list[str]:
    """Names of examples in the address that this visit knows nothing of."""
    known = _met()
    return [name for key in (address.LIKE, address.UNLIKE) for name in _named(key) if name not in known]


def turning(asked: Asked) -> Turning:
    """Where in the answer to this question the person is."""
    now = st.session_state.get(TURNING, Turning(asked)).of(asked)
    st.session_state[TURNING] = now
    return now


def turn(now: Turning) -> None:
    """Show this page."""
    st.session_state[TURNING] = now


def looked() -> str:
    """Id of the image that is shown large; empty for none."""
    return st.query_params.get(address.HIT, "")


def look(image_id: str) -> None:
    """Show this image large; none, where empty."""
    address.change(hit=image_id)


def remember_form() -> None:
    """Keep what the form says, while it is drawn."""
    said = {key: st.session_state[key] for key in FORM_KEYS if key in st.session_state}
    st.session_state[FORM] = form_as_drawn() | said


def form_as_drawn() -> dict[str, Any]:
    """What the form said when it was drawn last, by its fields' keys."""
    return st.session_state.get(FORM, {})


def more_like(hit: SearchHit, over: Over) -> None:
    """Look for more like this, too."""
    lean(leaning().towards(example_of(hit, over)))


def less_like(hit: SearchHit, over: Over) -> None:
    """Keep away from this."""
    lean(leaning().away_from(example_of(hit, over)))


def look_for_part(hit: SearchHit, over: Over, box_xyxy_px: Box, region_index: int | None) -> None:
    """Look for more like this part of a picture, too: as with `more_like`, words and other examples stay."""
    lean(leaning().towards(part_of(hit, over, box_xyxy_px, region_index)))


def begin_anew() -> None:
    """No words, no examples, no filters."""
    cleared = {"q": "", "under": "", "confidence": 0.0, "since": None, "until": None}
    st.session_state.update(cleared, with_tags=[], with_classes=[])
    gone = (*cleared, "with_tags", "with_classes", address.LIKE, address.UNLIKE, address.HIT)
    address.change(**dict.fromkeys(gone, ""))


def want_tag(tag: str) -> None:
    """What has this tag, in place of what words say; filters and examples stay."""
    tags = list(dict.fromkeys([*(st.session_state.get("with_tags") or ()), tag]))
    st.session_state.update(q="", with_tags=tags)
    address.change(q="", with_tags=tags)


def review_image(hit: SearchHit, hits: Sequence[SearchHit]) -> None:
    """Open an image where it is decided on; the others of its folder that were found come before and after it."""
    st.session_state["queue"] = [each.file for each in hits if each.folder == hit.folder]
    said = form_as_drawn()
    if address.FOLDER in st.session_state:
        said = {**said, address.FOLDER: st.session_state[address.FOLDER]}
    folder_before = st.query_params.get(address.FOLDER, "")
    st.session_state[CAME_FROM] = CameFrom(address.SEARCH, said, folder_before)
    st.session_state[address.FOLDER] = hit.folder
    address.step(address.REVIEW, hit.file, folder=folder_told(hit.folder))


def is_reviewable(over: Over, hit: SearchHit, folders: Collection[str]) -> bool:
    """Whether the image lies in one of the user's folders that are there, named by their keys."""
    return over == "catalog" and hit.folder in folders


def _met() -> dict[str, Example]:
    return st.session_state.get(MET, {})


def _named(field: str) -> list[str]:
    return st.query_params.get_all(field)[-EXAMPLES_KEPT:]
