"""What is asked on the search page: words and filters, which lie in the page's address, and images that are dropped."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import PurePosixPath

import streamlit as st

from autotag.domain.catalog_filters import CatalogFilter
from autotag.domain.identity import folder_key, folder_path
from autotag.search.answers import Over
from autotag.serving.studio.search_engine import Facets
from autotag.serving.studio.search_examples import uploaded
from autotag.serving.studio.search_query import Asked, Example, Find, Leaning
from autotag.serving.studio.sidebar import URL
from autotag.serving.studio.workbench import Workbench, folder_name
from autotag.storage.images import FORMATS

FOLDERS, ARCHIVE = "my folders", "the archive"
IMAGES, OBJECTS = "images", "objects"
LONGEST_QUERY = 500
_MORE_SUFFIXES = {"JPEG": ("jpg", "jpeg", "mpo"), "TIFF": ("tif", "tiff")}
SUFFIXES = tuple(suffix for form in FORMATS for suffix in _MORE_SUFFIXES.get(form, (form.lower(),)))
"""Of files that the browser offers; what they are is told by their content."""

FIRST_DAY, LAST_DAY = date(1826, 1, 1), date(2099, 12, 31)
"""From the year of the oldest photograph there is; Streamlit's own calendar knows the last ten years."""

STYLE = """
<style>
.st-key-search-form [data-testid="stButtonGroup"] button { min-height: 40px; }
.st-key-search-form .st-key-q { min-width: 240px; }
[class*="st-key-drop-"] section { padding: .2rem .3rem; min-height: 40px; align-items: center; }
[class*="st-key-drop-"] section button { min-height: 32px; padding: 0 .6rem; }
[class*="st-key-drop-"] [data-testid="stFileUploaderDropzoneInstructions"] { font-size: 0; margin: 0; }
[class*="st-key-drop-"] [data-testid="stFileUploaderDropzoneInstructions"] * { display: none; }
[class*="st-key-drop-"] [data-testid="stFileUploaderDropzoneInstructions"]::after
{ content: "or drop an image here, to find others like it"; font-size: 13px; opacity: .7; }
</style>
"""
"""All fields of a height, that for images in one line: it is drawn on every visit, and used on few."""

DROPPED = "search-dropped"
"""Of the session: images dropped so far. The field is made anew for each."""


def words_and_place() -> tuple[str, Over, Find]:
    """What to look for, in words, where, and whether images or objects."""
    st.html(STYLE)
    # In a line where they fit in one, also beside the sidebar in half a window.
    with st.container(horizontal=True, vertical_alignment="center"):
        words = st.text_input(
            "Look for",
            key="q",
            bind=URL,
            max_chars=LONGEST_QUERY,
            icon=":material/search:",
            placeholder="a dog running on grass   ( / )",
            label_visibility="collapsed",
        )
        over = _choice("In", (FOLDERS, ARCHIVE), "over")
        find = _choice("Find", (IMAGES, OBJECTS), "find")
    return (
        " ".join((words or "").split()),
        "reference" if over == ARCHIVE else "catalog",
        "object" if find == OBJECTS else "any",
    )


def dropped_image(bench: Workbench) -> Example | None:
    """The image that was dropped on the page just now."""
    number = st.session_state.setdefault(DROPPED, 0)
    most_bytes = min(bench.settings.images.max_bytes, bench.settings.serve.max_upload_bytes)
    file = st.file_uploader(
        "Drop an image here to find others like it",
        SUFFIXES,
        key=f"drop-{number}",
        max_upload_size=max(1, most_bytes // 1_000_000),
        label_visibility="collapsed",
    )
    return None if file is None else uploaded(file.name, file.getvalue())


def clear_drop() -> None:
    """Make room for another image."""
    st.session_state[DROPPED] += 1


def filters(bench: Workbench, facets: Facets | None, leaning: Leaning) -> CatalogFilter:
    """Which images of the user's folders may be found.

    Args:
        bench: whose folders.
        facets: what can be offered; None where the catalog is not open yet.
        leaning: examples, which are left out: nobody looks for what they have.

    Raises:
        UsageError: the range of dates ends before it begins.
    """
    left, right = st.columns(2)
    with left:
        tags = _several("Has all of these tags", "with_tags", facets.tags if facets else ())
        under = _folder(bench.folders())
        since = _day("Taken from", "since")
    with right:
        classes = _several("Has an object of one of", "with_classes", facets.classes if facets else ())
        confidence = st.slider(
            "Objects found with a confidence of at least", 0.0, 1.0, 0.0, 0.05, key="confidence", bind=URL
        )
        until = _day("Taken until, that day included", "until")
    return CatalogFilter(
        folder_path(under),
        tuple(tags),
        tuple(classes),
        confidence,
        _midnight(since),
        _midnight(until, days=1),
        leaning.image_ids("catalog"),
    )


def folders_to_choose(keys: Iterable[str]) -> list[str]:
    """Keys of the folders and of those above them, by path."""
    paths = {PurePosixPath(folder_path(key)) for key in keys}
    above = {parent for path in paths for parent in path.parents if parent.name}
    return [folder_key(str(path)) for path in sorted(paths | above)]


def _folder(keys: Iterable[str]) -> str:
    """Key of the folder to look below; empty for all."""
    options = ["", *folders_to_choose(keys)]
    if st.session_state.get("under", "") not in options:
        st.session_state["under"] = ""
    return st.selectbox(
        "In this folder and below",
        options,
        key="under",
        bind=URL,
        format_func=lambda key: folder_name(key) if key else "every folder",
    )


def _day(label: str, key: str) -> date | None:
    return st.date_input(label, None, FIRST_DAY, LAST_DAY, key=key, bind=URL, format="YYYY-MM-DD")


def _several(label: str, key: str, offered: Iterable[str]) -> list[str]:
    known = st.session_state.get(key) or []
    options = list(dict.fromkeys([*offered, *known]))
    return st.multiselect(
        label, options, key=key, bind=URL, accept_new_options=True, placeholder="any", select_all=False
    )


def _choice(label: str, options: tuple[str, ...], key: str) -> str:
    return st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind=URL, label_visibility="collapsed"
    )


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC) + timedelta(days=days)


def asked_now(words: str, over: Over, find: Find, where: CatalogFilter, leaning: Leaning) -> Asked:
    """The question; of the archive nothing is left out, for its index knows no filters."""
    return Asked(words, over, find, where if over == "catalog" else CatalogFilter(), leaning)
