"""The button that takes back a person's last click."""

import streamlit as st

from autotag.serving.studio.workbench import Workbench


def remember(run_id: str) -> None:
    """Let the button take this back; nothing where there is no run."""
    if run_id:
        st.session_state.setdefault("undoable", []).append(run_id)


def undo_button(bench: Workbench) -> None:
    """Take back the last group of decisions of this session; without any, of this reviewer."""
    told = "Your last decision, also of earlier visits"
    if not st.button("Undo", key="undo", width="stretch", shortcut="z", help=told):
        return
    mine: list[str] = st.session_state.setdefault("undoable", [])
    run_id = mine[-1] if mine else bench.last_click()
    if not run_id:
        st.toast("Nothing to take back")
        return
    bench.ledger.undo(run_id, bench.reviewer)
    if mine:
        mine.pop()
    st.rerun()
