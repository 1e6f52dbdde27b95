"""What the search page shows of an answer: a page of hits, one of them large, or why there is none."""

from dataclasses import replace

import streamlit as st

from autotag.errors import AutotagError
from autotag.search.answers import SearchAnswer
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_grid import hit_grid
from autotag.serving.studio.search_look import closer_look
from autotag.serving.studio.search_query import Asked
from autotag.serving.studio.search_state import begin_anew, look, looked, turn, turning, want_tag
from autotag.serving.studio.search_words import answer_told, nothing_told, tagged_told
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench


def page_of_hits(bench: Workbench, engine: SearchEngine, asked: Asked) -> None:
    """The page of hits that the person is on.

    Args:
        bench: whose pictures.
        engine: that is asked.
        asked: the question.

    Raises:
        AutotagError: an example cannot be read, or the store does not answer.
    """
    now = turning(asked)
    answer, cut = _page_of(engine, asked)
    if not answer.hits:
        _nothing(engine, asked, answer, bench.settings.serve.false_alarms)
        _turn_buttons(asked, answer)
        return
    passing = engine.passing(asked.where) if asked.filters else None
    told, again = st.columns([6, 1.2], vertical_alignment="center")
    told.caption(answer_told(asked, answer, cut, now, engine.facets(), passing))
    if asked != Asked(over=asked.over, find=asked.find):
        again.button("New search", key="search-new", width="stretch", on_click=begin_anew)
    hit_grid(bench, asked, answer, cut, now.rank)
    _turn_buttons(asked, answer)


def picture_alone(bench: Workbench, engine: SearchEngine, asked: Asked) -> None:
    """The image that is looked at closely, beside the other hits where it is one; all of the page where it is gone. Arguments as
    above.
    """
    try:
        hits = _page_of(engine, asked)[0].hits
        place = next((n for n, hit in enumerate(hits) if hit.image_id == looked()), None)
        if place is None and (image := engine.image(looked())) is not None:
            hits, place = (image,), 0
        if place is not None:
            closer_look(bench, engine, asked, hits, place)
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


def _nothing(engine: SearchEngine, asked: Asked, answer: SearchAnswer, false_alarms: float) -> None:
    told = nothing_told(asked, answer, engine.facets(), false_alarms)
    tagged = answer.tagged
    hint = f"\n\n{tagged_told(tagged)}" if tagged else ""
    st.info(told + hint, icon=":material/search_off:")
    with st.container(horizontal=True):
        if tagged:
            st.button(
                "Show what has the tag",
                key="search-tag",
                type="primary",
                shortcut="t",
                on_click=want_tag,
                args=(tagged.tag,),
            )
        if answer.abstained:
            nearest = replace(turning(asked), nearest=True)
            st.button(
                "Show the nearest all the same",
                key="search-nearest",
                type="secondary" if tagged else "primary",
                shortcut="n",
                on_click=turn,
                args=(nearest,),
            )
        st.button("New search", key="search-new", on_click=begin_anew)


def _turn_buttons(asked: Asked, answer: SearchAnswer) -> None:
    now = turning(asked)
    is_first = len(now.afters) == 1
    if is_first and not answer.next:
        return
    with st.container(horizontal=True, horizontal_alignment="center"):
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
