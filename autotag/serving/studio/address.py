"""The page's address: it says what is shown, and a step is one entry of the browser's history.

Streamlit keeps the fields that are bound to the address there itself, but tells the browser of each of them by itself, and of those
that are gone when all else is drawn: several entries a step, most of which never were a page. A step here writes all of the
address before anything is drawn, so that there is nothing left to tell.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

REVIEW, SEARCH, NEW_TAGS, FOLDERS, LEARNING = "Review", "Search", "New tags?", "Folders", "Learning"
VIEWS = (REVIEW, SEARCH, NEW_TAGS, FOLDERS, LEARNING)
VIEW, IMAGE, FOLDER = "view", "image", "folder"
LIKE, UNLIKE, HIT = "like", "unlike", "hit"

FORM = ("q", "over", "find", "under", "with_tags", "with_classes", "confidence", "since", "until")
"""Of the search page: what is typed and chosen."""

FIELDS = {
    REVIEW: ("show", "tag", "name", "order", "grouped", "page"),
    IMAGE: (IMAGE,),
    SEARCH: (*FORM, LIKE, UNLIKE, HIT),
    NEW_TAGS: ("scope",),
}
"""What belongs to one place of the page alone, by the place: a view, or an image of the review. The sidebar's fields go along."""

LEFT = "left-address"
"""Of the session: what the fields of a place had in the address when it was drawn last."""

Value = str | Sequence[str]

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


def step(to: str, image: str = "", **sidebar: Value) -> None:
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


def change(**fields: Value) -> None:
    """Change fields of this place together; empty for what is not to be in the address."""
    _write({key: st.query_params.get_all(key) for key in st.query_params} | _lists(fields))


def _lists(fields: Mapping[str, Value]) -> dict[str, list[str]]:
    return {
        key: [value] if value and isinstance(value, str) else list(value) for key, value in fields.items()
    }


def _write(address: Mapping[str, Sequence[str]]) -> None:
    """All of the address; fields without a value are not in it."""
    told = {key: list(values) for key, values in address.items() if values}
    try:
        _write_at_once(told)
    except (ImportError, AttributeError, TypeError):
        _write_one_by_one(told)


def _write_at_once(address: Mapping[str, list[str]]) -> None:
    """As one message to the browser. Streamlit has no public way to say so of fields that are bound.

    Raises:
        ImportError, AttributeError, TypeError: this release of Streamlit keeps the address in another way.
    """
    from streamlit.runtime.state import get_session_state

    with get_session_state().query_params() as held:
        held.clear_with_no_forward_msg(preserve_embed=True)
        for key, values in address.items():
            held.set_with_no_forward_msg(key, values[0] if len(values) == 1 else values)
        held.update()


def _write_one_by_one(address: Mapping[str, list[str]]) -> None:
    """In Streamlit's public way: the browser keeps more entries than there were steps, and the page is the same.

    Bound fields are refused, which Streamlit writes itself: with the field's value, and without where it is not drawn any more.
    """
    for key in [key for key in st.query_params if key not in address]:
        with suppress(StreamlitAPIException):
            del st.query_params[key]
    for key, values in address.items():
        if st.query_params.get_all(key) != values:
            with suppress(StreamlitAPIException):
                st.query_params[key] = values
