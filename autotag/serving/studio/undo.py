"""The button that takes back a person's last click."""

import streamlit as st

from autotag.errors import AutotagError, UsageError
from autotag.serving.studio.workbench import Workbench

FAILED = "failed"
"""Of the session: what could not be recorded, for the page to say."""


def remember(run_id: str) -> None:
    """Let the button take this back; nothing where there is no run."""
    if run_id:
        st.session_state.setdefault("undoable", []).append(run_id)


def undo_button(bench: Workbench) -> None:
    """Take back the last group of decisions of this session; without any, of this reviewer."""
    told = "Your last decision, also of earlier visits"
    st.button(
        "Undo", key="undo", width="stretch", shortcut="z", help=told, on_click=_take_back, args=(bench,)
    )


def _take_back(bench: Workbench) -> None:
    mine: list[str] = st.session_state.setdefault("undoable", [])
    is_of_session = bool(mine)
    try:
        while mine:
            run_id = mine.pop()
            try:
                if _is_undone(bench, run_id):
                    return
            except AutotagError:
                mine.append(run_id)
                raise
        if is_of_session:
            st.toast("That was taken back already")
        elif not ((run_id := bench.last_click()) and _is_undone(bench, run_id)):
            st.toast("Nothing to take back")
    except AutotagError as error:
        st.session_state[FAILED] = str(error)


def _is_undone(bench: Workbench, run_id: str) -> bool:
    """Undo a run; whether it was still there to be undone: another tab or the command line may have been faster."""
    try:
        bench.undo(run_id)
    except UsageError:
        return False
    return True
