"""The grid: six cards a row, one a group of look-alikes, with what is proposed and what was approved."""

from collections.abc import Sequence
from math import ceil

import streamlit as st

from autotag.domain.ledger_entries import Decision
from autotag.review.folder_view import FolderView
from autotag.review.review_queue import Order, Show, Wanted, believed
from autotag.serving.studio.card import card_controls, card_face, shown_tags
from autotag.serving.studio.sidebar import URL, Choices
from autotag.serving.studio.undo import remember, undo_button
from autotag.serving.studio.verdicts import approvals, clearances, rejections_of_the_rest
from autotag.serving.studio.workbench import Standings, Workbench

COLUMNS = 6
CARDS_A_PAGE = 12
"""What a screen shows: whoever approves all of a page has seen all of it."""
EVERY_TAG = "every tag"


def review(bench: Workbench, chosen: Choices, view: FolderView) -> None:
    """Filters, the page of cards, and what can be done with all of them."""
    standings = bench.standings(view)
    _say_what_is_missing(view)
    facts = bench.facts(view, chosen.minimum)
    cards = bench.cards(view, _filters(dict(facts.tags)), chosen.minimum)[: chosen.max_cards]
    st.session_state["queue"] = [view.files[card_numbers[0]] for card_numbers in cards]
    pages = max(1, ceil(len(cards) / CARDS_A_PAGE))
    number = min(int(st.session_state.get("page", 1)), pages)
    shown = cards[(number - 1) * CARDS_A_PAGE : number * CARDS_A_PAGE]
    _bar(bench, chosen, view, shown, standings, pages)
    st.caption(
        f"{len(cards):,} cards · {sum(map(len, cards)):,} of {len(view.files):,} images · {facts.decided:,} decided"
        " · :blue-badge[vote] :orange-badge[label] :green-badge[approved]"
        " · :material/check: approve what is proposed · :material/close: reject the rest · :material/search: look closer"
    )
    if not cards:
        st.success("Nothing is left to look at here. Choose another filter to see decided images.")
    # All faces before the first control: pictures are loaded while the browser makes the rest.
    columns = [column for _ in range(0, len(shown), COLUMNS) for column in st.columns(COLUMNS, gap="small")]
    for part in (card_face, card_controls):
        for column, numbers in zip(columns, shown, strict=False):
            with column:
                part(bench, chosen, view, numbers, standings)
    _turn(pages, "below")


def _say_what_is_missing(view: FolderView) -> None:
    if not view.has_votes and not view.has_labels:
        st.info("No tags are proposed yet: press **Embed**, then **Score** or **Vote**, in the sidebar.")


def _filters(counts: dict[str, int]) -> Wanted:
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
        tag = st.selectbox(
            "Tag",
            [EVERY_TAG, *counts],
            key="tag",
            bind=URL,
            format_func=lambda each: each if each == EVERY_TAG else f"{each} ({counts[each]})",
        )
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
    return Wanted(Show(show), "" if tag in (None, EVERY_TAG) else tag, name or "", Order(order), grouped)


def _bar(
    bench: Workbench,
    chosen: Choices,
    view: FolderView,
    shown: Sequence[Sequence[int]],
    standings: Standings,
    pages: int,
) -> None:
    columns = st.columns([2.4, 1.6, 1, 1.2, 3], vertical_alignment="center")
    media = {number: view.media_ids[number] for card_numbers in shown for number in card_numbers}
    with columns[0]:
        if st.button(
            "Approve all over threshold", key="approve-all", type="primary", shortcut="a", width="stretch"
        ):
            _decide(bench, _all_believed(chosen, view, media, standings), "approved")
    with columns[1]:
        if st.button(
            "Reject the rest",
            key="reject-rest",
            width="stretch",
            help="All that is shown here and not approved",
        ):
            rest = [
                decision
                for number, media_id in media.items()
                for decision in rejections_of_the_rest(
                    [media_id], shown_tags(view, number, chosen.minimum), standings
                )
            ]
            _decide(bench, rest, "rejected")
    with columns[2]:
        if st.button("Clear", key="clear", width="stretch", help="Take back decisions on this page"):
            _decide(bench, clearances(media.values(), standings), "cleared")
    with columns[3]:
        undo_button(bench)
    with columns[4]:
        _turn(pages, "above")


def _all_believed(
    chosen: Choices, view: FolderView, media: dict[int, str], standings: Standings
) -> list[Decision]:
    decisions: list[Decision] = []
    for number, media_id in media.items():
        tags = [each.tag for each in believed(view, number, chosen.minimum)]
        decisions += approvals([media_id], tags, standings)
    return decisions


def _decide(bench: Workbench, decisions: list[Decision], told: str) -> None:
    run_id = bench.decide(decisions)
    if run_id:
        remember(run_id)
        st.toast(f"{len(decisions)} tags {told}")
        st.rerun()
    st.toast("Nothing to decide here")


def _turn(pages: int, where: str) -> None:
    """Buttons to the pages before and after; the number is in the address."""
    if where == "above":
        columns = st.columns([1, 2, 1], vertical_alignment="center")
        with columns[1]:
            st.number_input(
                f"Page of {pages}",
                1,
                pages,
                key="page",
                bind=URL,
                label_visibility="collapsed",
                help=f"of {pages}",
            )
    else:
        columns = st.columns([4, 1, 1, 4])[1:3]
        columns = [columns[0], None, columns[1]]
    with columns[0]:
        st.button("‹", key=f"previous-{where}", on_click=_to_page, args=(-1, pages), width="stretch")
    with columns[2]:
        st.button("›", key=f"next-{where}", on_click=_to_page, args=(1, pages), width="stretch")


def _to_page(step: int, pages: int) -> None:
    st.session_state["page"] = min(max(int(st.session_state.get("page", 1)) + step, 1), pages)
