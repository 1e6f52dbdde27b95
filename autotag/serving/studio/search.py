"""The search page: by words, by pictures and parts of pictures, in the user's folders or in the archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import AutotagError, CatalogUnavailableError, MissingInputError
from autotag.search.answers import Over
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.commands import start_command
from autotag.serving.studio.search_answer import page_of_hits, picture_alone
from autotag.serving.studio.search_engine import Facets, SearchEngine
from autotag.serving.studio.search_form import (
    asked_now,
    clear_drop,
    dropped_image,
    filters,
    words_and_place,
)
from autotag.serving.studio.search_grid import example_strip
from autotag.serving.studio.search_opening import forget_engine, ready_engine, search_engine
from autotag.serving.studio.search_query import Asked, Example
from autotag.serving.studio.search_recall import recalled
from autotag.serving.studio.search_state import lean, leaning, looked, meet, remember_form, unmet
from autotag.serving.studio.sidebar import BELIEVED
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench

NOT_HERE = f"<style>.st-key-{BELIEVED} {{ display: none; }}</style>"
"""For the thresholds in the sidebar: no search asks for them, while the sidebar's commands do, on every view."""

HIDDEN = "<style>.st-key-search-form { display: none; }</style>"
"""For a form that is drawn all the same while an image is shown large: a field that comes back would not say what it did."""

GONE = (
    "An example of this search is not there any more, and was left out: drop the image, or choose it, again."
)


@dataclass(frozen=True, slots=True)
class Form:
    """What the form says.

    Attributes:
        asked: the question.
        dropped: an image that was dropped on the page just now.
        is_open: whether the form could offer what is in the store: that was open already.
    """

    asked: Asked
    dropped: Example | None
    is_open: bool


def search(bench: Workbench, overrides: Mapping[str, Any]) -> None:
    """The form and what was found, or one of the images large.

    Args:
        bench: whose images.
        overrides: settings that differ from the file's, for the command that makes a catalog.
    """
    st.html(NOT_HERE)
    try:
        with st.container(key="search-form"):
            form = _form(bench)
        engine = _engine(bench, form.asked.over, overrides)
        if engine is not None:
            _found(bench, engine, form)
    except CatalogUnavailableError as error:
        forget_engine(bench, "catalog")  # the next look opens what is there by then, or says that nothing is
        st.error(plain_markdown(str(error)))
    except AutotagError as error:
        st.error(plain_markdown(str(error)))


def _engine(bench: Workbench, over: Over, overrides: Mapping[str, Any]) -> SearchEngine | None:
    """What answers; None, and word of how to begin, where there is nothing to search yet.

    Raises:
        AutotagError: the store does not answer, or is of another model.
    """
    try:
        return search_engine(bench, over)
    except MissingInputError as error:
        _say_how_to_begin(bench, over, error, overrides)
        return None


def _found(bench: Workbench, engine: SearchEngine, form: Form) -> None:
    """What the question finds.

    Raises:
        AutotagError: an example cannot be read, or the store does not answer.
    """
    asked = form.asked
    _recall(bench)
    if form.dropped is not None and not looked():
        _take(engine, form.dropped)
    if not form.is_open:
        st.rerun()  # the form can offer tags and classes now
    if looked():
        st.html(HIDDEN)
        picture_alone(bench, engine, asked)
        return
    example_strip(engine, asked)
    if asked.over == "reference" and not asked.ranks:
        st.info("Say what to look for in the archive, or drop an image.")
        return
    page_of_hits(bench, engine, asked)


def _form(bench: Workbench) -> Form:
    """Draw all of it, then say what it says.

    Raises:
        AutotagError: the filters make no sense, or the store cannot say what it has.
    """
    words, over, find = words_and_place()
    engine = ready_engine(bench, over)
    field, narrow = st.columns([2, 3])
    with field:
        dropped = dropped_image(bench)
    with narrow:
        if over == "reference":
            st.caption("The archive has no filters: its index knows neither folders nor dates.")
            where = CatalogFilter()
        else:
            where = _filters(bench, engine)
    remember_form()
    return Form(asked_now(words, over, find, where, leaning()), dropped, engine is not None)


def _filters(bench: Workbench, engine: SearchEngine | None) -> CatalogFilter:
    """Errors are not said here, where they would be folded away."""
    facets: Facets | None = None
    failed: AutotagError | None = None
    try:
        facets = engine.facets() if engine else None
    except AutotagError as error:  # what the filters say stays, whatever the store does
        failed = error
    with st.expander("Filters", icon=":material/filter_list:", key="filters"):
        where = filters(bench, facets, leaning())
    if failed is not None:
        raise failed
    return where


def _recall(bench: Workbench) -> None:
    """Examples that the address names and this visit has not met, after a reload or of a link.

    Raises:
        AutotagError: a store does not answer.
    """
    names = unmet()
    if not names:
        return
    meet(recalled(names, partial(search_engine, bench)))
    if unmet():
        st.session_state[FAILED] = GONE
        lean(leaning())
    st.rerun()


def _take(engine: SearchEngine, dropped: Example) -> None:
    """Look for the dropped image, too, where it is one."""
    try:
        engine.vector(dropped)
        kept = engine.pixels.kept(dropped)
    except AutotagError as error:
        st.error(plain_markdown(f"{dropped.file} cannot be looked for: {error}"))
        return
    lean(leaning().towards(kept))
    clear_drop()
    st.rerun()


def _say_how_to_begin(
    bench: Workbench, over: Over, error: MissingInputError, overrides: Mapping[str, Any]
) -> None:
    if over == "reference":
        st.info(plain_markdown(str(error)))
        return
    st.info(
        "There is no catalog of your folders yet, and search looks into that. It is made of folders that have been embedded;"
        " **Embed** in the sidebar does that for one. Then press the button, or run `autotag catalog --all`."
    )
    if st.button("Make the catalog", key="make-catalog", type="primary"):
        start_command(bench, "Catalog: all folders", ["catalog", "--all"], "", overrides)
