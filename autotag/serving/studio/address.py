"""The page's address: it says what is shown, and a step is one entry of the browser's history.

Streamlit keeps the fields that are bound to the address there itself, but tells the browser of each of them by itself, and of those
that are gone when all else is drawn: several entries a step, most of which never were a page. A step here writes all of the
address before anything is drawn, so that there is nothing left to tell.
"""

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.runtime.state import get_session_state

REVIEW, SEARCH, NEW_TAGS, FOLDERS, LEARNING = "Review", "Search", "New tags?", "Folders", "Learning"
VIEWS = (REVIEW, SEARCH, NEW_TAGS, FOLDERS, LEARNING)
VIEW, IMAGE, FOLDER = "view", "image", "folder"

FIELDS = {
    REVIEW: ("show", "tag", "name", "order", "grouped", "page"),
    IMAGE: (IMAGE,),
    SEARCH: ("q", "over", "find", "under", "with_tags", "with_classes", "confidence", "since", "until"),
    NEW_TAGS: ("scope",),
}
"""What belongs to one place of the page alone, by the place: a view, or an image of the review. The sidebar's fields go along."""

LEFT = "left-address"
"""Of the session: what the fields of a place had in the address when it was drawn last."""

_OWN = frozenset({VIEW}.union(*FIELDS.values()))


def view() -> str:
    """The view that the address names; the review where it names none that there is."""
    named = st.query_params.get(VIEW, REVIEW)
    return named if named in VIEWS else REVIEW


def remember() -> None:
    """Keep what the fields of this place have in the address, for whoever comes back to it."""
    here = IMAGE if view() == REVIEW and IMAGE in st.query_params else view()
    told = {key: st.query_params.get_all(key) for key in FIELDS.get(here, ()) if key in st.query_params}
    st.session_state[LEFT] = {**st.session_state.get(LEFT, {}), here: told}


def step(to: str, image: str = "", **sidebar: str) -> None:
    """Show something else: what belongs to this place leaves the address, and what that place had when it was left comes back.

    Args:
        to: a view.
        image: of the review, one to show large; empty for the grid.
        sidebar: other fields that change with it, as the address has them; empty for what is not to be there.
    """
    stays = {key: st.query_params.get_all(key) for key in st.query_params if key not in _OWN}
    comes = {IMAGE: [image]} if image else st.session_state.get(LEFT, {}).get(to, {})
    named = {} if to == REVIEW else {VIEW: [to]}
    _write({**stays, **_lists(sidebar), **named, **comes})


def change(**fields: str) -> None:
    """Change fields of this place together; empty for what is not to be in the address."""
    _write({key: st.query_params.get_all(key) for key in st.query_params} | _lists(fields))


def _lists(fields: Mapping[str, str]) -> dict[str, list[str]]:
    return {key: [value] if value else [] for key, value in fields.items()}


def _write(address: Mapping[str, Sequence[str]]) -> None:
    """All of the address, as one message: Streamlit's own way to say so knows no fields that are bound."""
    with get_session_state().query_params() as held:
        held.clear_with_no_forward_msg(preserve_embed=True)
        for key, values in address.items():
            if values:
                held.set_with_no_forward_msg(key, values[0] if len(values) == 1 else list(values))
        held.update()
