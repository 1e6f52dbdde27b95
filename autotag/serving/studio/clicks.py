"""Records what a click on the page decides: on what was drawn, never on what has come since."""

from collections.abc import Sequence

import streamlit as st

from autotag.domain.ledger_entries import Decision
from autotag.errors import AutotagError, TagsChangedError
from autotag.serving.studio.drawn import DrawnImage
from autotag.serving.studio.standings import LiveStandings
from autotag.serving.studio.undo import FAILED, remember
from autotag.serving.studio.verdicts import are_so
from autotag.serving.studio.workbench import Workbench

CHANGED = (
    "Somebody, or a command, said something of these images since they were drawn, so nothing was recorded. This is how they"
    " are now: look again."
)


def approve(bench: Workbench, drawn: Sequence[DrawnImage], live: LiveStandings) -> None:
    """Give images what was believed of them."""
    if not any(image.found for image in drawn):
        st.toast("Nothing shown here is over its threshold: lower the slider, or choose tags on the cards")
        return
    record(bench, [each for image in drawn for each in image.approvals(live.tags)], live, "approved")


def reject(bench: Workbench, drawn: Sequence[DrawnImage], live: LiveStandings) -> None:
    """Reject what was shown beside approved tags."""
    record(bench, [each for image in drawn for each in image.rejections(live.tags)], live, "rejected")


def clear(bench: Workbench, drawn: Sequence[DrawnImage], live: LiveStandings) -> None:
    """Take back what people decided."""
    record(bench, [each for image in drawn for each in image.clearances(live.tags)], live, "cleared")


def record(bench: Workbench, decisions: Sequence[Decision], live: LiveStandings, told: str) -> bool:
    """Record decisions on what was drawn, or say why not.

    Args:
        bench: where they go.
        decisions: on what was drawn.
        live: what stood when it was drawn.
        told: what became of the tags, for people.

    Returns:
        Whether the tags are now as the decisions would have them.
    """
    decisions = list(dict.fromkeys(decisions))
    if not decisions:
        st.toast("Nothing to decide here")
        return True
    try:
        remember(bench.decide(decisions, live.position))
    except TagsChangedError:
        # Such as a key that was pressed twice.
        if are_so(decisions, bench.effective_now(each.media_id for each in decisions)):
            return True
        st.session_state[FAILED] = CHANGED
        return False
    except AutotagError as error:
        st.session_state[FAILED] = str(error)
        return False
    st.toast(f"{len(decisions):,} {'tag' if len(decisions) == 1 else 'tags'} {told}")
    return True
