"""What a visit begins with: the folder, and the thresholds that its tags were told from."""

import streamlit as st
from upath import UPath

from autotag.serving.studio.workbench import VIEWS_KEPT, Workbench, file_state
from autotag.settings import Settings
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import read_stamp


def opening_folder(bench: Workbench) -> str:
    """Key of the first folder with tags to judge, else with thumbnails, else at all; empty where there is none.

    What people have decided is not asked, for that would be to read every folder.
    """
    folders = bench.folders()
    asked = (_has_tags, _has_thumbnails)
    found = (key for is_ready in asked for key in folders if is_ready(bench.tables(key)))
    return next(found, folders[0] if folders else "")


def first_minimums(bench: Workbench, folder: str) -> dict[str, float]:
    """Thresholds that the page starts with, by source: labels that a run told by a threshold of its own are believed.

    Args:
        bench: whose settings hold for all else.
        folder: key of the folder; empty where there is none.
    """
    own = own_minimums(bench.settings)
    if not folder:
        return own
    scores = bench.tables(folder).label_scores
    known = _told_from(ascii(str(scores)), file_state(scores), bench.plan.model_id, scores)
    return own if known is None else {**own, "zero_shot": known}


def own_minimums(settings: Settings) -> dict[str, float]:
    """Thresholds of the settings, by source."""
    return {"vote": settings.tagging.threshold, "zero_shot": settings.labels.threshold}


def _has_tags(tables: FolderTables) -> bool:
    return tables.label_scores.exists() or tables.tags.exists()


def _has_thumbnails(tables: FolderTables) -> bool:
    return tables.thumbnail_table.exists()


@st.cache_data(max_entries=VIEWS_KEPT, show_spinner=False)
def _told_from(scores: str, state: str, model_id: str, _scores: UPath) -> float | None:
    """None where the labels were not scored with this model."""
    del scores
    stamp = read_stamp(_scores) if state else None
    return stamp.extra.get("threshold") if stamp is not None and stamp.model_id == model_id else None
