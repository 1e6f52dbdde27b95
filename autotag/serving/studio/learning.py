"""What people decided, and whether the machine became better by it."""

import streamlit as st

from autotag.review.learning_figures import LearningFigures, learning_figures
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.serving.studio.workbench import Workbench


def learning(bench: Workbench) -> None:
    """Figures over all folders, then tag by tag."""
    figures = _figures(bench.ledger_url, bench.ledger.position(), bench.ledger)
    if not figures.decisions:
        st.info("Nobody has decided on anything yet.")
        return
    pace = f"{figures.decisions_per_minute:.0f}" if figures.decisions_per_minute else "–"
    facts = (
        ("Tags decided", f"{figures.tags_decided:,}"),
        ("Images decided", f"{figures.images_decided:,}"),
        ("Decisions a minute", pace),
        ("Minutes of work", f"{figures.active_minutes:,.0f}"),
    )
    for column, (label, value) in zip(st.columns(len(facts)), facts, strict=True):
        column.metric(label, value, border=True)
    st.caption(
        "Before: proposals of runs that began when nobody had decided on the tag. After: of later runs. Precision is the share"
        " that people found right, among what they were shown."
    )
    st.dataframe(
        figures.by_tag,
        hide_index=True,
        column_config={
            **{name: name.replace("_", " ") for name in figures.by_tag.column_names},
            "precision_before": st.column_config.ProgressColumn("precision before", min_value=0, max_value=1),
            "precision_after": st.column_config.ProgressColumn("precision after", min_value=0, max_value=1),
        },
    )


@st.cache_data(max_entries=4, show_spinner="Adding up ...")
def _figures(url: str, position: int, _ledger: TagLedger) -> LearningFigures:
    del url, position
    return learning_figures(_ledger)
