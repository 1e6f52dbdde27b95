"""Which images the grid shows, and in which order."""

import streamlit as st

from autotag.review.review_queue import Order, Show, Wanted
from autotag.serving.studio.sidebar import URL

EVERY_TAG = "every tag"


def filters(counts: dict[str, int]) -> Wanted:
    """Draw them; what they say.

    Args:
        counts: images by tag, for the tags that can be chosen, in order.
    """
    show = st.segmented_control(
        "Show",
        [each.value for each in Show],
        default=Show.UNDECIDED.value,
        required=True,
        key="show",
        bind=URL,
        label_visibility="collapsed",
    )
    columns = st.columns([2, 2, 2, 1.6], vertical_alignment="bottom")
    with columns[0]:
        tag = _tag(counts)
    with columns[1]:
        name = st.text_input("Name holds", key="name", bind=URL)
    with columns[2]:
        order = st.selectbox("Order", [each.value for each in Order], key="order", bind=URL)
    with columns[3]:
        grouped = st.toggle(
            "One card for look-alikes",
            True,
            key="grouped",
            bind=URL,
            help="One decision counts for all of them",
        )
    return Wanted(Show(show), tag, name or "", Order(order), grouped)


def _tag(counts: dict[str, int]) -> str:
    """The tag to show; empty for all.

    Not bound to the address by Streamlit, which would put the whole option there, and the number in it changes.
    """
    known = st.session_state.get("shown_tag", st.query_params.get("tag", EVERY_TAG))
    st.session_state["shown_tag"] = known if known in counts else EVERY_TAG
    tag = st.selectbox(
        "Tag",
        [EVERY_TAG, *counts],
        key="shown_tag",
        format_func=lambda each: f"{each} ({counts[each]:,})" if each in counts else each,
    )
    if tag == EVERY_TAG:
        st.query_params.pop("tag", None)
        return ""
    if st.query_params.get("tag") != tag:
        st.query_params["tag"] = tag
    return tag
