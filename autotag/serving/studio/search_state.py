"""What a visit to the search page remembers beside its address, and what clicks make of it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from autotag.search.answers import Over, SearchHit
from autotag.serving.studio import address
from autotag.serving.studio.detail import CAME_FROM, CameFrom
from autotag.serving.studio.search_query import Asked, Box, Leaning, Turning, example_of, part_of
from autotag.serving.studio.sidebar import folder_told
from autotag.serving.studio.workbench import Workbench

LEANING = "search-leaning"
TURNING = "search-turning"
LOOKED = "search-looked"
FORM = "search-form"
FORM_KEYS = address.FIELDS[address.SEARCH]
"""Of the form's fields: what is not drawn, Streamlit may forget, or show another value of than it has."""


def leaning() -> Leaning:
    """Examples so far."""
    return st.session_state.get(LEANING, Leaning())


def lean(now: Leaning) -> None:
    """Look for these from now on."""
    st.session_state[LEANING] = now


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
    return st.session_state.get(LOOKED, "")


def look(image_id: str) -> None:
    """Show this image large; none, where empty."""
    st.session_state[LOOKED] = image_id


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
    look("")


def less_like(hit: SearchHit, over: Over) -> None:
    """Keep away from this."""
    lean(leaning().away_from(example_of(hit, over)))
    look("")


def look_for_part(hit: SearchHit, over: Over, box_xyxy_px: Box, region_index: int | None) -> None:
    """Look for more like this part of a picture, too: as with `more_like`, words and other examples stay."""
    lean(leaning().towards(part_of(hit, over, box_xyxy_px, region_index)))
    look("")


def begin_anew() -> None:
    """No words, no examples, no filters."""
    lean(Leaning())
    look("")
    cleared = {"q": "", "under": "", "confidence": 0.0, "since": None, "until": None}
    st.session_state.update(cleared, with_tags=[], with_classes=[])
    address.change(**dict.fromkeys((*cleared, "with_tags", "with_classes"), ""))


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


def is_reviewable(bench: Workbench, over: Over, hit: SearchHit) -> bool:
    """Whether the image lies in a folder of the user that is there."""
    return over == "catalog" and hit.folder in bench.folders()
