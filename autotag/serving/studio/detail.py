"""One image, large: its regions, its tags, and who spoke for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from upath import UPath

from autotag.domain.ledger_entries import Decision, EffectiveTag, Standing
from autotag.errors import AutotagError, MissingInputError
from autotag.review.boxed_picture import DrawnBox, boxed_picture, boxes_of
from autotag.review.evidence import TagEvidence, evidence_of
from autotag.review.folder_view import FolderView
from autotag.review.source_pictures import SourcePictures, SourceRegion
from autotag.review.suggestions import outdated_evidence
from autotag.serving.studio import address
from autotag.serving.studio.card import tag_editor
from autotag.serving.studio.chips import chips_html, chips_of, plain_markdown
from autotag.serving.studio.clicks import record
from autotag.serving.studio.drawn import DrawnImage, drawn_image, tags_to_choose
from autotag.serving.studio.sidebar import Choices
from autotag.serving.studio.standings import LiveStandings
from autotag.serving.studio.workbench import Workbench
from autotag.storage.images import ImageLimits

LONG_EDGE_PX = 1280
VOTERS_SHOWN = 6
VOTER_PX = 200
PICTURES_KEPT = 32
CAME_FROM = "came-from"
"""Of the session: where somebody came from another view, a `CameFrom`."""


@dataclass(frozen=True, slots=True)
class CameFrom:
    """What `Back` restores.

    Attributes:
        view: that the image was opened from.
        said: values of its fields, and of the folder's, by their keys.
        folder: as the address had it; empty where it had none.
    """

    view: str
    said: Mapping[str, Any]
    folder: str


def detail(bench: Workbench, chosen: Choices, view: FolderView, file: str) -> None:
    """The image that the page's address names."""
    if file not in view.files:
        st.warning(plain_markdown(f"{file} is not in this folder any more."))
        st.button("← Back", key="back", shortcut="Escape", on_click=_back)
        return
    number, live = view.files.index(file), bench.live(view)
    drawn = drawn_image(view, [number], chosen.minimum, live, weak_shown=None)
    _bar(bench, view, drawn, live)
    picture, facts = st.columns([3, 2], gap="large")
    with picture, st.container(key="large"):
        _picture(bench, view, number)
    with facts:
        _facts(bench, view, number, drawn)


def _bar(bench: Workbench, view: FolderView, drawn: DrawnImage, live: LiveStandings) -> None:
    queue: list[str] = st.session_state.get("queue", [])
    # An address, or the browser's Back, can show an image that the last grid did not.
    queue = queue if drawn.file in queue else view.files
    place = queue.index(drawn.file)
    before, after = queue[max(place - 1, 0)], queue[min(place + 1, len(queue) - 1)]
    name = drawn.name
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("← Back", key="back", shortcut="Escape", on_click=_back)
        st.button(
            "‹ Previous",
            key="previous-image",
            shortcut="Left",
            disabled=place == 0,
            on_click=_go,
            args=(before,),
        )
        st.button(
            "Next ›",
            key="next-image",
            shortcut="Right",
            disabled=place + 1 >= len(queue),
            on_click=_go,
            args=(after,),
        )
        st.button(
            "Approve and next",
            key=f"approve-next-{name}",
            type="primary",
            shortcut="a",
            on_click=_decide_and_go,
            args=(bench, drawn.approvals(live.tags), live, "approved", after),
        )
        st.button(
            "Reject and next",
            key=f"reject-next-{name}",
            shortcut="x",
            on_click=_decide_and_go,
            args=(bench, drawn.rejections(live.tags), live, "rejected", after),
        )
        st.markdown(f"**{plain_markdown(drawn.file)}** · {place + 1:,} of {len(queue):,}")


def _decide_and_go(
    bench: Workbench, decisions: Sequence[Decision], live: LiveStandings, told: str, after: str
) -> None:
    """What was not recorded stays on the page."""
    if record(bench, decisions, live, told):
        _go(after)


def _picture(bench: Workbench, view: FolderView, number: int) -> None:
    tables, file = bench.tables(view.key), view.files[number]
    try:
        boxes = boxes_of(tables, view.key, file)
    except MissingInputError:
        boxes = []
    try:
        folder, media = bench.plan.layout.folder(view.key), view.media_ids[number]
        st.image(
            _drawn(ascii(str(folder)), file, media, tuple(boxes), folder, bench.plan.limits), width="stretch"
        )
    except AutotagError as error:
        st.warning(plain_markdown(f"{file} cannot be shown: {error}"))
    width, height = view.sizes_px[number]
    st.caption(f"{width} x {height} px · {len(boxes):,} {'region' if len(boxes) == 1 else 'regions'}")


@st.cache_data(max_entries=PICTURES_KEPT, show_spinner=False)
def _drawn(
    folder: str,
    file: str,
    media_id: str,
    boxes: tuple[DrawnBox, ...],
    _folder: UPath,
    _limits: ImageLimits,
) -> bytes:
    del folder  # named for the cache alone
    return boxed_picture(_folder, file, _limits, boxes, LONG_EDGE_PX, media_id)


def _facts(bench: Workbench, view: FolderView, number: int, drawn: DrawnImage) -> None:
    st.html(chips_html(chips_of(drawn.standing, drawn.found, drawn.weak), view.reasons[number]))
    tag_editor(bench, drawn, tags_to_choose(view, number, drawn), "detail")
    for told in _tags_to_explain(drawn.standing, [each.tag for each in drawn.found]):
        with st.expander(
            f"Why **{plain_markdown(told)}**?",
            expanded=told == (drawn.found[0].tag if drawn.found else ""),
        ):
            _evidence(bench, view, number, told)


def _tags_to_explain(standing: Sequence[EffectiveTag], believed_tags: Sequence[str]) -> list[str]:
    """Tags that a machine has something to say on."""
    judged = [each.tag for each in standing if each.scores and each.standing is not Standing.REJECTED]
    return list(dict.fromkeys([*believed_tags, *judged]))


def _evidence(bench: Workbench, view: FolderView, number: int, tag: str) -> None:
    tables = bench.tables(view.key)
    try:
        found = evidence_of(tables, view.files[number], tag)
    except AutotagError as error:
        st.caption(plain_markdown(str(error)))
        return
    outdated = outdated_evidence(tables, view.key, bench.plan.model_id)
    for sentence in outdated.values():
        st.caption(plain_markdown(sentence))
    for each in (each for each in found if each.source not in outdated):
        st.caption(_sentence(each))
        _voters(bench, each)


def _sentence(found: TagEvidence) -> str:
    where = [
        "the whole image" if region.region_index == 0 else f"region {region.region_index}"
        for region in found.regions
    ]
    earned = f"earned by {' and '.join(where)}"
    if found.source == "vote":
        return f"vote {found.score:.2f}: {earned}; {len(found.votes)} archive images spoke for it"
    return f"label {found.score:.2f}: {earned}"


def _voters(bench: Workbench, found: TagEvidence) -> None:
    pictures = pictures_of(bench)
    columns = st.columns(3)
    for place, voter in enumerate(found.votes[:VOTERS_SHOWN]):
        region = SourceRegion(voter.shard, voter.key, voter.media_id, voter.box_xyxy_px)
        shown = pictures.picture(found.model_id, region, VOTER_PX)
        with columns[place % 3], st.container(key=f"thumb-{found.source}-{found.tag}-{place}"):
            if shown.jpeg:
                st.image(shown.jpeg, width="stretch")
            else:
                st.caption(plain_markdown(shown.reason))
            st.caption(
                plain_markdown(f"{voter.shard}/{voter.key} · {voter.similarity:.2f} · {voter.share:.0%}")
            )


def pictures_of(bench: Workbench) -> SourcePictures:
    """The archive's pictures; where anything is looked for elsewhere, others."""
    return _source_pictures(repr((bench.plan.layout, bench.plan.limits)), bench)


@st.cache_resource(max_entries=4, show_spinner=False)
def _source_pictures(places: str, _bench: Workbench) -> SourcePictures:
    del places
    return SourcePictures(_bench.plan.layout, _bench.plan.limits)


def _back() -> None:
    came: CameFrom | None = st.session_state.pop(CAME_FROM, None)
    if came is None:
        address.step(address.REVIEW)
        return
    st.session_state.update(came.said)
    address.step(came.view, folder=came.folder)


def _go(file: str) -> None:
    st.query_params[address.IMAGE] = file
