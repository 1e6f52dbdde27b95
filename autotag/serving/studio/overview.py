"""All folders: how far each is, its most typical image, its tags."""

import json
from collections.abc import Mapping

import streamlit as st

from autotag.errors import MissingInputError
from autotag.review.review_queue import Minimum
from autotag.serving.studio.chips import Chip, chips_html, missing_html, picture_html, plain_markdown
from autotag.serving.studio.media import media_address
from autotag.serving.studio.workbench import Workbench, folder_name
from autotag.storage.folder_tables import FolderTables

FOLDERS_A_PAGE = 12
TAGS_SHOWN = 10


def overview(bench: Workbench, minimum: Minimum) -> None:
    """A line a folder; its tags are counted as the review view believes them."""
    folders = bench.folders()
    st.caption(f"{len(folders):,} folders below {plain_markdown(str(bench.plan.layout.target))}")
    pages = max(1, -(-len(folders) // FOLDERS_A_PAGE))
    page = st.number_input("Page", 1, pages, key="folders_page") if pages > 1 else 1
    for key in folders[(int(page) - 1) * FOLDERS_A_PAGE : int(page) * FOLDERS_A_PAGE]:
        with st.container(border=True):
            _folder(bench, key, minimum)


def _folder(bench: Workbench, key: str, minimum: Minimum) -> None:
    picture, facts = st.columns([1, 6], vertical_alignment="center")
    with facts:
        st.markdown(f"**{plain_markdown(folder_name(key))}**")
        try:
            view = bench.view(key)
        except MissingInputError:
            st.caption("not looked at yet: choose it in the sidebar and press Scan")
            return
        known = bench.facts(view, bench.live(view), minimum)
        st.progress(
            known.decided / len(view.files) if view.files else 1.0,
            f"{known.decided:,} of {len(view.files):,} images decided",
        )
        st.html(chips_html([Chip(tag, "vote", str(number)) for tag, number in known.tags[:TAGS_SHOWN]]))
    with picture:
        shown = _medoid(bench.tables(key), bench.settings.review.thumbnail_px)
        st.html(f'<div class="medoid">{shown}</div>')


def _medoid(tables: FolderTables, long_edge_px: int) -> str:
    """The most typical image as HTML, or which button makes it known."""
    try:
        medoid = json.loads(tables.medoid.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        medoid = None
    if not isinstance(medoid, Mapping) or "media_id" not in medoid:
        return missing_html("no typical image yet: press Medoid")
    thumbnail = tables.thumbnail(medoid["media_id"], long_edge_px)
    place = f"medoid-{tables.root}"
    return picture_html(media_address(thumbnail, place), medoid.get("file", ""))
