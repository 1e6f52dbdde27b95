"""The search page: by words, by pictures and parts of pictures, in the user's folders or in the archive."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import AutotagError, MissingInputError
from autotag.search.answers import Over, SearchAnswer
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.commands import start_command
from autotag.serving.studio.search_engine import SearchEngine, ready_engine, search_engine
from autotag.serving.studio.search_form import (
    asked_now,
    clear_drop,
    dropped_image,
    filters,
    words_and_place,
)
from autotag.serving.studio.search_grid import example_strip, hit_grid
from autotag.serving.studio.search_look import closer_look
from autotag.serving.studio.search_query import Asked, Example
from autotag.serving.studio.search_state import (
    begin_anew,
    lean,
    leaning,
    look,
    looked,
    remember_form,
    turn,
    turning,
)
from autotag.serving.studio.search_words import answer_told, nothing_told
from autotag.serving.studio.sidebar import BELIEVED
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench

NOT_HERE = f"<style>.st-key-{BELIEVED} {{ display: none; }}</style>"
"""For the thresholds in the sidebar: no search asks for them, while the sidebar's commands do, on every view."""

HIDDEN = "<style>.st-key-search-form { display: none; }</style>"
"""For a form that is drawn all the same while an image is shown large: a field that comes back would not say what it did."""


def search(bench: Workbench, overrides: Mapping[str, Any]) -> None:
    """The form and what was found, or one of the images large.

    Args:
        bench: whose images.
        overrides: settings that differ from the file's, for the command that makes a catalog.
    """
    st.html(NOT_HERE)
    with st.container(key="search-form"):
        asked, dropped, was_open = _form(bench)
    if asked is None:
        return
    if looked():
        st.html(HIDDEN)
        _large(bench, asked)
        return
    try:
        _found(bench, asked, dropped, was_open=was_open)
    except MissingInputError as error:
        _say_how_to_begin(bench, asked.over, error, overrides)
    except AutotagError as error:
        st.error(plain_markdown(str(error)))


def _found(bench: Workbench, asked: Asked, dropped: Example | None, *, was_open: bool) -> None:
    """What the question finds.

    Raises:
        MissingInputError: there is nothing to search yet.
        AutotagError: an example cannot be read, or the store does not answer.
    """
    engine = search_engine(bench, asked.over)
    if dropped is not None:
        _take(engine, dropped)
    if not was_open:
        st.rerun()  # the form can offer tags and classes now
    example_strip(engine, asked)
    if asked.over == "reference" and not asked.ranks:
        st.info("Say what to look for in the archive, or drop an image.")
        return
    _answer(bench, engine, asked)


def _form(bench: Workbench) -> tuple[Asked | None, Example | None, bool]:
    """The question, None where it makes no sense; an image that was dropped; whether the store was open already."""
    words, over, find = words_and_place()
    engine = ready_engine(bench, over)
    field, narrow = st.columns([2, 3])
    with field:
        dropped = dropped_image(bench)
    where: CatalogFilter | None = CatalogFilter()
    with narrow:
        if over == "reference":
            st.caption("The archive has no filters: its index knows neither folders nor dates.")
        else:
            where = _filters(bench, engine)
    remember_form()
    if where is None:
        return None, dropped, engine is not None
    return asked_now(words, over, find, where, leaning()), dropped, engine is not None


def _filters(bench: Workbench, engine: SearchEngine | None) -> CatalogFilter | None:
    with st.expander("Filters", icon=":material/filter_list:", key="filters"):
        try:
            return filters(bench, engine.facets() if engine else None, leaning())
        except AutotagError as error:
            st.error(plain_markdown(str(error)))
            return None


def _take(engine: SearchEngine, dropped: Example) -> None:
    """Look for the dropped image, too, where it is one."""
    try:
        engine.vector(dropped)
    except AutotagError as error:
        st.error(plain_markdown(f"{dropped.file} cannot be looked for: {error}"))
        return
    lean(leaning().towards(dropped))
    clear_drop()
    st.rerun()


def _large(bench: Workbench, asked: Asked) -> None:
    """Show the image that is looked at closely; all of the page where it is not among the hits any more."""
    try:
        engine = search_engine(bench, asked.over)
        answer, _ = _page_of(engine, asked)
        place = next((n for n, hit in enumerate(answer.hits) if hit.image_id == looked()), None)
        if place is not None:
            closer_look(bench, engine, asked, answer, place)
            return
    except AutotagError as error:
        st.session_state[FAILED] = str(error)
    look("")
    st.rerun()


def _page_of(engine: SearchEngine, asked: Asked) -> tuple[SearchAnswer, float | None]:
    """The page of the answer that the person is on, and what its hits should reach."""
    now = turning(asked)
    answer = engine.answer(asked, now.afters[-1], nearest=now.nearest)
    cut = engine.answer(asked).cut if now.nearest else answer.cut
    # The archive's search leaves nothing out itself.
    known = asked.leaning.image_ids("reference")
    return replace(answer, hits=tuple(hit for hit in answer.hits if hit.image_id not in known)), cut


def _answer(bench: Workbench, engine: SearchEngine, asked: Asked) -> None:
    now = turning(asked)
    answer, cut = _page_of(engine, asked)
    if not answer.hits:
        _nothing(engine, asked, answer, bench.settings.serve.false_alarms)
        return
    told, again = st.columns([6, 1.2], vertical_alignment="center")
    told.caption(answer_told(asked, answer, cut, now, engine.facets()))
    if asked != Asked(over=asked.over, find=asked.find):
        again.button("New search", key="search-new", width="stretch", on_click=begin_anew)
    hit_grid(bench, asked, answer, cut, now.rank)
    _turn_buttons(asked, answer)


def _nothing(engine: SearchEngine, asked: Asked, answer: SearchAnswer, false_alarms: float) -> None:
    st.info(nothing_told(asked, answer, engine.facets(), false_alarms), icon=":material/search_off:")
    with st.container(horizontal=True):
        if answer.abstained:
            nearest = replace(turning(asked), nearest=True)
            st.button(
                "Show the nearest all the same",
                key="search-nearest",
                type="primary",
                shortcut="n",
                on_click=turn,
                args=(nearest,),
            )
        st.button("New search", key="search-new", on_click=begin_anew)


def _turn_buttons(asked: Asked, answer: SearchAnswer) -> None:
    now = turning(asked)
    if len(now.afters) == 1 and not answer.next:
        return
    with st.container(horizontal=True, horizontal_alignment="center"):
        is_first = len(now.afters) == 1
        st.button(
            "‹ Previous",
            key="hits-before",
            shortcut="p",
            disabled=is_first,
            on_click=turn,
            args=(now.back(),),
        )
        onward = now.on(answer.next)
        st.button(
            "Next ›", key="hits-after", shortcut="n", disabled=not answer.next, on_click=turn, args=(onward,)
        )


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
