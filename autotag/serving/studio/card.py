"""One card of the grid."""

import hashlib
from collections.abc import Sequence

import streamlit as st

from autotag.errors import AutotagError
from autotag.review.folder_view import FolderView
from autotag.review.review_queue import is_decided
from autotag.serving.studio import address
from autotag.serving.studio.chips import chips_html, chips_of, name_html, picture_html
from autotag.serving.studio.clicks import approve, reject
from autotag.serving.studio.drawn import DrawnImage, approved_tags, tags_to_choose
from autotag.serving.studio.media import media_address
from autotag.serving.studio.standings import LiveStandings
from autotag.serving.studio.undo import FAILED, remember
from autotag.serving.studio.verdicts import decisions_of_change, spelled
from autotag.serving.studio.workbench import Workbench


def card_face(bench: Workbench, view: FolderView, number: int, drawn: DrawnImage) -> None:
    """Picture, name and tags: one element of the page, for each costs the browser time.

    Args:
        bench: whose thumbnails.
        view: the folder.
        number: of the image that is shown.
        drawn: what of it is.
    """
    thumbnail = bench.tables(view.key).thumbnail(drawn.media_ids[0], bench.settings.review.thumbnail_px)
    chips = chips_of(drawn.standing, drawn.found, drawn.weak)
    st.html(
        picture_html(media_address(thumbnail, f"card-{number}"), drawn.file)
        + name_html(drawn.file, len(drawn.media_ids) - 1, decided=is_decided(drawn.standing))
        + chips_html(chips, view.reasons[number], is_brief=True)
    )


def card_controls(
    bench: Workbench, view: FolderView, number: int, drawn: DrawnImage, live: LiveStandings
) -> None:
    """The decision on an image and those that look like it; arguments as of `card_face`, and what stood when it was drawn."""
    tag_editor(bench, drawn, tags_to_choose(view, number, drawn), "card")
    _buttons(bench, drawn, live)


def tag_editor(bench: Workbench, drawn: DrawnImage, options: Sequence[str], place: str) -> None:
    """Multiselect of approved tags; a change is recorded at once for all the images.

    Args:
        bench: where decisions go.
        drawn: the images.
        options: tags to choose from.
        place: names the editor on its page.
    """
    shown = approved_tags(drawn.standing)
    # With what it shows in its key: what another tab decided makes a new one, with the new value.
    named = hashlib.sha256(repr((drawn.file, drawn.media_ids, shown)).encode()).hexdigest()[:16]
    key = f"{place}-{named}"
    st.multiselect(
        "Approved tags",
        options,
        default=shown,
        key=key,
        label_visibility="collapsed",
        placeholder="approve or add tags",
        accept_new_options=True,
        on_change=_edited,
        args=(bench, key, drawn, list(options)),
    )


def _edited(bench: Workbench, key: str, drawn: DrawnImage, options: list[str]) -> None:
    """Record the change. Where that fails the editor goes back to what is recorded, and the page says why.

    Args:
        bench: where decisions go.
        key: of the editor.
        drawn: the images as they were shown.
        options: all tags there were to choose from.
    """
    media, shown = drawn.media_ids, approved_tags(drawn.standing)
    typed = [tag for tag in st.session_state[key] if tag.strip()]
    after = [tag if tag in options else spelled(tag, options) for tag in typed]
    try:
        remember(
            bench.decide_anew(media, lambda standings: decisions_of_change(media, shown, after, standings))
        )
    except AutotagError as error:
        st.session_state[key] = shown
        st.session_state[FAILED] = str(error)


def _buttons(bench: Workbench, drawn: DrawnImage, live: LiveStandings) -> None:
    """Their labels are for those who cannot see the icons; hints would double what the buttons cost, and the grid's caption says them."""
    name, shown = drawn.name, (bench, (drawn,), live)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Approve",
            icon=":material/check:",
            key=f"yes-{name}",
            disabled=not drawn.found,
            on_click=approve,
            args=shown,
        )
        st.button("Reject", icon=":material/close:", key=f"no-{name}", on_click=reject, args=shown)
        st.button(
            "Look closer", icon=":material/search:", key=f"look-{name}", on_click=_look, args=(drawn.file,)
        )


def _look(file: str) -> None:
    address.step(address.REVIEW, file)
