"""The page as a whole."""

import sys
from pathlib import Path

import streamlit as st

from autotag.errors import AutotagError, MissingInputError
from autotag.serving.studio.chips import STYLE, plain_markdown
from autotag.serving.studio.commands import command_panel
from autotag.serving.studio.detail import CAME_FROM, detail
from autotag.serving.studio.learning import learning
from autotag.serving.studio.new_tags import new_tags
from autotag.serving.studio.overview import overview
from autotag.serving.studio.review import review
from autotag.serving.studio.sidebar import URL, Choices, choices, places, settings_of_sidebar
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench

VIEWS = ("Review", "Search", "New tags?", "Folders", "Learning")


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
        with where.commands:
            command_panel(bench, chosen.folder, chosen.overrides)
    except AutotagError as error:
        st.error(plain_markdown(str(error)))


def _view(bench: Workbench, chosen: Choices) -> None:
    view = st.segmented_control(
        "View", VIEWS, default="Review", required=True, key="view", bind=URL, label_visibility="collapsed"
    )
    if view == "Search":
        from autotag.serving.studio.search import search

        search(bench, chosen.overrides)
        return
    if view == "Folders":
        overview(bench, chosen.minimum)
        return
    if view == "New tags?":
        new_tags(bench, chosen)
        return
    if view == "Learning":
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
    if "image" in st.query_params:
        detail(bench, chosen, folder, st.query_params["image"])
    else:
        st.session_state.pop(CAME_FROM, None)  # what is opened from the grid goes back to it
        review(bench, chosen, folder)


def _config() -> Path | None:
    """The settings file that `autotag studio` was started with."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
