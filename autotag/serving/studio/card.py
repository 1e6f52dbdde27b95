"""One card of the grid."""

import hashlib
from collections.abc import Sequence

import streamlit as st

from autotag.domain.ledger_entries import EffectiveTag, Standing
from autotag.errors import AutotagError
from autotag.review.folder_view import FolderView, Suggestion
from autotag.review.review_queue import Minimum, believed, is_decided
from autotag.serving.studio.chips import chips_html, chips_of, name_html, picture_html
from autotag.serving.studio.media import media_address
from autotag.serving.studio.sidebar import Choices
from autotag.serving.studio.undo import remember
from autotag.serving.studio.verdicts import (
    approvals,
    decisions_of_change,
    rejections_of_the_rest,
    spelled,
)
from autotag.serving.studio.workbench import Standings, Workbench

WEAK_SHOWN = 2

FAILED = "failed"
"""Of the session: what could not be recorded, for the page to say."""


def card_face(
    bench: Workbench, chosen: Choices, view: FolderView, numbers: Sequence[int], standings: Standings
) -> None:
    """Picture, name and tags: one element of the page, for each costs the browser time.

    Args:
        bench: whose thumbnails.
        chosen: thresholds.
        view: the folder.
        numbers: images that the card stands for, the one that is shown first.
        standings: effective tags by media id.
    """
    number = numbers[0]
    file, media_id = view.files[number], view.media_ids[number]
    standing = standings.get(media_id, ())
    found = believed(view, number, chosen.minimum)
    thumbnail = bench.tables(view.key).thumbnail(media_id, bench.settings.review.thumbnail_px)
    chips = chips_of(standing, found, _weak(view, number, found))
    st.html(
        picture_html(media_address(thumbnail, f"card-{number}"), file)
        + name_html(file, len(numbers) - 1, decided=is_decided(standing))
        + chips_html(chips, view.reasons[number], is_brief=True)
    )


def card_controls(
    bench: Workbench, chosen: Choices, view: FolderView, numbers: Sequence[int], standings: Standings
) -> None:
    """The decision on an image and those that look like it; arguments as of `card_face`."""
    media = [view.media_ids[each] for each in numbers]
    suggested = [each.tag for each in view.suggestions[numbers[0]]]
    tag_editor(bench, media, standings, suggested, f"card-{numbers[0]}")
    _buttons(bench, chosen, view, numbers, standings)


def tag_editor(
    bench: Workbench, media: list[str], standings: Standings, suggested: Sequence[str], place: str
) -> None:
    """Multiselect of approved tags; a change is recorded at once for all the images.

    Args:
        bench: where decisions go.
        media: media ids of the images, the one that is shown first.
        standings: effective tags by media id.
        suggested: tags to choose from, beside those that were decided.
        place: names the editor on its page.
    """
    shown = approved_tags(standings.get(media[0], ()))
    options = list(dict.fromkeys([*shown, *suggested, *(each.tag for each in standings.get(media[0], ()))]))
    # With what it shows in its key: what another tab decided makes a new one, with the new value.
    key = f"{place}-{hashlib.sha256('|'.join(shown).encode()).hexdigest()[:12]}"
    st.multiselect(
        "Approved tags",
        options,
        default=shown,
        key=key,
        label_visibility="collapsed",
        placeholder="approve or add tags",
        accept_new_options=True,
        on_change=_edited,
        args=(bench, key, (media, shown, options), standings),
    )


def approved_tags(standing: Sequence[EffectiveTag]) -> list[str]:
    """Tags that a person approved or added, by name."""
    return sorted(each.tag for each in standing if each.standing is Standing.APPROVED)


def shown_tags(view: FolderView, number: int, minimum: Minimum) -> list[str]:
    """Tags that a card suggests: what is believed, and the best of what is not."""
    found = believed(view, number, minimum)
    return [each.tag for each in (*found, *_weak(view, number, found))]


def _edited(
    bench: Workbench, key: str, edited: tuple[list[str], list[str], list[str]], standings: Standings
) -> None:
    """Record the change. Where that fails the editor goes back to what is recorded, and the page says why.

    Args:
        bench: where decisions go.
        key: of the editor.
        edited: media ids, tags as they were shown, and all tags there were to choose from.
        standings: effective tags by media id.
    """
    media, shown, options = edited
    typed = [tag for tag in st.session_state[key] if tag.strip()]
    after = [tag if tag in options else spelled(tag, options) for tag in typed]
    try:
        remember(bench.decide(decisions_of_change(media, shown, after, standings)))
    except AutotagError as error:
        st.session_state[key] = shown
        st.session_state[FAILED] = str(error)


def _weak(view: FolderView, number: int, found: Sequence[Suggestion]) -> list[Suggestion]:
    """The best of what is not believed, so that a person can still pick it."""
    known = {each.tag for each in found}
    rest = [each for each in view.suggestions[number] if each.tag not in known]
    return rest[:WEAK_SHOWN]


def _buttons(
    bench: Workbench, chosen: Choices, view: FolderView, numbers: Sequence[int], standings: Standings
) -> None:
    """Without hints of their own, which would double what the buttons cost: the grid's caption says what they do."""
    found = believed(view, numbers[0], chosen.minimum)
    media, key = [view.media_ids[each] for each in numbers], numbers[0]
    with st.container(horizontal=True, gap="small"):
        if st.button("", icon=":material/check:", key=f"yes-{key}", disabled=not found):
            remember(bench.decide(approvals(media, [each.tag for each in found], standings)))
            st.rerun()
        if st.button("", icon=":material/close:", key=f"no-{key}"):
            shown = shown_tags(view, numbers[0], chosen.minimum)
            remember(bench.decide(rejections_of_the_rest(media, shown, standings)))
            st.rerun()
        if st.button("", icon=":material/search:", key=f"look-{key}"):
            st.query_params["image"] = view.files[numbers[0]]
            st.rerun()
