"""The page as a whole."""

import sys
from pathlib import Path

import streamlit as st

from autotag.errors import AutotagError, MissingInputError
from autotag.serving.studio import address
from autotag.serving.studio.chips import STYLE, plain_markdown
from autotag.serving.studio.commands import command_panel
from autotag.serving.studio.detail import CAME_FROM, detail
from autotag.serving.studio.learning import learning
from autotag.serving.studio.new_tags import new_tags
from autotag.serving.studio.overview import overview
from autotag.serving.studio.review import review
from autotag.serving.studio.sidebar import Choices, choices, places, settings_of_sidebar
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench


def page() -> None:
    """Sidebar and one of the views; errors of ours are a sentence on the page."""
    st.set_page_config(page_title="autotag studio", page_icon="🏷️", layout="wide")
    st.html(STYLE)
    try:
        where = places()
        settings, overrides = settings_of_sidebar(_config(), where.settings)
        bench = Workbench.of(settings)
        chosen = choices(bench, overrides, where)
        if failed := st.session_state.pop(FAILED, ""):
            st.error(plain_markdown(failed))
        # The buttons of the sidebar can wait for the pictures, which a person waits for.
        _view(bench, chosen)
        address.remember()
        with where.commands:
            command_panel(bench, chosen.folder, chosen.overrides)
    except AutotagError as error:
        st.error(plain_markdown(str(error)))


def _view(bench: Workbench, chosen: Choices) -> None:
    view = _view_chosen()
    if view == address.SEARCH:
        from autotag.serving.studio.search import search

        search(bench, chosen.overrides)
        return
    if view == address.FOLDERS:
        overview(bench, chosen.minimum)
        return
    if view == address.NEW_TAGS:
        new_tags(bench, chosen)
        return
    if view == address.LEARNING:
        learning(bench)
        return
    if not chosen.folder:
        st.info(plain_markdown(f"No folder with images lies below {bench.plan.layout.target} yet."))
        return
    try:
        with st.spinner("Reading the folder and its decisions ..."):
            folder = bench.view(chosen.folder)
            bench.live(folder)
    except MissingInputError:
        st.info(
            "This folder has not been looked at yet. Press **Scan**, then **Thumbnails**, in the sidebar."
        )
        return
    if address.IMAGE in st.query_params:
        detail(bench, chosen, folder, st.query_params[address.IMAGE])
    else:
        st.session_state.pop(CAME_FROM, None)  # what is opened from the grid goes back to it
        review(bench, chosen, folder)


def _view_chosen() -> str:
    """The view that the address names. Not bound to it by Streamlit, which would leave the view before out of the history."""
    view = address.view()
    if st.session_state.get(address.VIEW) != view:
        st.session_state[address.VIEW] = view
    st.segmented_control(
        "View",
        address.VIEWS,
        required=True,
        key=address.VIEW,
        on_change=_to_chosen_view,
        label_visibility="collapsed",
    )
    return view


def _to_chosen_view() -> None:
    address.step(st.session_state[address.VIEW])


def _config() -> Path | None:
    """The settings file that `autotag studio` was started with."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
