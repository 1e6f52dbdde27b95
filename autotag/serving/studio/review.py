"""The grid: six cards a row, one a group of look-alikes, with what is proposed and what was approved."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from autotag.review.folder_view import FolderView
from autotag.serving.studio.card import card_controls, card_face
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.clicks import approve, clear, reject
from autotag.serving.studio.drawn import DrawnImage, drawn_image
from autotag.serving.studio.filters import filters
from autotag.serving.studio.sidebar import URL, Choices
from autotag.serving.studio.standings import LiveStandings
from autotag.serving.studio.under_thresholds import sentence
from autotag.serving.studio.undo import undo_button
from autotag.serving.studio.workbench import Workbench

COLUMNS = 6
CARDS_A_PAGE = 12
"""What a screen shows: whoever approves all of a page has seen all of it."""


@dataclass(frozen=True, slots=True)
class PageButton:
    """A decision about all that a page shows; the one with a shortcut stands out."""

    name: str
    label: str
    on_click: Callable[[Workbench, Sequence[DrawnImage], LiveStandings], None]
    shortcut: str | None = None
    help: str | None = None


PAGE_BUTTONS = (
    PageButton("approve-all", "Approve all over threshold", approve, shortcut="a"),
    PageButton("reject-rest", "Reject the rest", reject, help="All that is shown here and not approved"),
    PageButton("clear", "Clear", clear, help="Take back decisions on this page"),
)


def review(bench: Workbench, chosen: Choices, view: FolderView) -> None:
    """Filters, the page of cards, and what can be done with all of them."""
    live = bench.live(view)
    facts = bench.facts(view, live, chosen.minimum)
    _say_what_is_missing(view)
    cards = first_cards(
        bench.cards(view, live, filters(dict(facts.tags)), chosen.minimum), chosen.most_images
    )
    if cards and (told := sentence(facts.best_unbelieved, chosen.minimum)):
        st.info(told)
    st.session_state["queue"] = [view.files[card_numbers[0]] for card_numbers in cards]
    pages = max(1, ceil(len(cards) / CARDS_A_PAGE))
    bar = st.columns([2.4, 1.6, 1, 1.2, 3], vertical_alignment="center")
    with bar[4]:
        number = _page(pages)
    shown = cards[(number - 1) * CARDS_A_PAGE : number * CARDS_A_PAGE]
    drawn = [drawn_image(view, numbers, chosen.minimum, live) for numbers in shown]
    for column, button in zip(bar, PAGE_BUTTONS, strict=False):
        with column:
            _page_button(button, bench, drawn, live)
    with bar[3]:
        undo_button(bench)
    st.caption(
        f"{len(cards):,} cards · {sum(map(len, cards)):,} of {len(view.files):,} images · {facts.decided:,} decided"
        " · :blue-badge[vote] :orange-badge[label] :green-badge[approved]"
        " · :material/check: approve what is proposed · :material/close: reject the rest · :material/search: look closer"
    )
    if not cards:
        st.success("Nothing is left to look at here. Choose another filter to see decided images.")
    _grid(bench, view, list(zip(shown, drawn, strict=True)), live)
    _turn(pages, "below")


def _grid(
    bench: Workbench,
    view: FolderView,
    cards: Sequence[tuple[Sequence[int], DrawnImage]],
    live: LiveStandings,
) -> None:
    """All faces before the first control: pictures are loaded while the browser makes the rest."""
    columns = [column for _ in range(0, len(cards), COLUMNS) for column in st.columns(COLUMNS, gap="small")]
    for column, (numbers, drawn) in zip(columns, cards, strict=False):
        with column:
            card_face(bench, view, numbers[0], drawn)
    for column, (numbers, drawn) in zip(columns, cards, strict=False):
        with column:
            card_controls(bench, view, numbers[0], drawn, live)


def first_cards(cards: Sequence[list[int]], most_images: int) -> Sequence[list[int]]:
    """The first cards that hold at most so many images; one at least."""
    fitting = sum(images <= most_images for images in accumulate(map(len, cards)))
    return cards[: max(1, fitting)]


def _say_what_is_missing(view: FolderView) -> None:
    if not view.has_votes and not view.has_labels:
        st.info("No tags are proposed yet: press **Embed**, then **Score** or **Vote**, in the sidebar.")
    if view.outdated:
        st.warning(plain_markdown(" ".join(view.outdated)))


def _page_button(
    what: PageButton, bench: Workbench, drawn: Sequence[DrawnImage], live: LiveStandings
) -> None:
    st.button(
        what.label,
        key=f"{what.name}-{_name(drawn)}",
        type="primary" if what.shortcut else "secondary",
        shortcut=what.shortcut,
        width="stretch",
        help=what.help,
        on_click=what.on_click,
        args=(bench, drawn, live),
    )


def _name(drawn: Sequence[DrawnImage]) -> str:
    """Changes with anything on the page: a click on what was there before finds no button of this name."""
    return hashlib.sha256("".join(each.name for each in drawn).encode()).hexdigest()[:16]


def _page(pages: int) -> int:
    """Buttons and a field for the page, whose number is in the address; the page that the field shows."""
    if int(st.session_state.get("page", 1)) > pages:
        # Streamlit would show the first one: whoever has done with the last page wants the one before.
        st.session_state["page"] = pages
    columns = st.columns([1, 2, 1], vertical_alignment="center")
    with columns[1]:
        number = st.number_input(
            f"Page of {pages}",
            1,
            pages,
            key="page",
            bind=URL,
            label_visibility="collapsed",
            help=f"of {pages}",
        )
    _turn_buttons((columns[0], columns[2]), pages, "above")
    return int(number)


def _turn(pages: int, where: str) -> None:
    _, back, on, _ = st.columns([4, 1, 1, 4])
    _turn_buttons((back, on), pages, where)


def _turn_buttons(columns: Sequence[DeltaGenerator], pages: int, where: str) -> None:
    for column, mark, name, step in zip(columns, "‹›", ("previous", "next"), (-1, 1), strict=True):
        with column:
            st.button(mark, key=f"{name}-{where}", on_click=_to_page, args=(step, pages), width="stretch")


def _to_page(step: int, pages: int) -> None:
    st.session_state["page"] = min(max(int(st.session_state.get("page", 1)) + step, 1), pages)
