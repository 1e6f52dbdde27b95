"""The sidebar: what to work on, and with which settings. It lies in the page's address, so a reload changes nothing.

Data root, labels and model do not: nobody's link is to choose what is read, and which weights are loaded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from autotag.errors import AutotagError, MissingInputError
from autotag.review.review_queue import Minimum
from autotag.serving.studio import address
from autotag.serving.studio.beginning import first_minimums, opening_folder, own_minimums
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.workbench import Workbench, folder_name
from autotag.settings import Settings

URL = "query-params"
MODELS = ("starter", "open_clip:ViT-B-32/laion2b_s34b_b79k", "timm:vit_small_patch14_dinov2.lvd142m")
FIXED, FITTED = "threshold", "target precision"

FIRST_FOLDER = "first-folder"
"""Of the session: key of the folder that the address need not name."""

FOLDER_OF_COMMANDS = "For the commands below. Search looks into every folder; **Filters** narrows it."

BELIEVED = "believed"
"""Of the thresholds, so that a view on which they say nothing can hide them."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the sidebar says.

    Attributes:
        folder: key of the folder; empty where there is none.
        minimum: least scores of believed tags.
        most_images: images that the grid goes through at the most; commands work on all.
        overrides: settings that differ from the file's, like `labels.topk`.
    """

    folder: str
    minimum: Minimum
    most_images: int
    overrides: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of the sidebar stand: what is used most comes first, though settings are read before all else."""

    folder: DeltaGenerator
    commands: DeltaGenerator
    settings: DeltaGenerator


def places() -> Places:
    """The sidebar's parts, from top to bottom."""
    with st.sidebar:
        st.markdown("### autotag studio")
        return Places(st.container(), st.container(), st.expander("Data, model, batches"))


def settings_of_sidebar(config: Path | None, place: DeltaGenerator) -> tuple[Settings, dict[str, Any]]:
    """Settings of the file with what was changed in the sidebar, and the changes by key."""
    own = Settings.load(config)
    with place:
        data = st.text_input("Data root", own.paths.data, key="data")
        labels = st.text_input("Labels file", own.labels.file, key="labels")
        models = list(dict.fromkeys([own.models.embedder, *MODELS]))
        model = st.selectbox("Model", models, key="model", accept_new_options=True)
        topk = st.number_input("Labels an image (top-k)", 1, 50, own.labels.topk, key="topk", bind=URL)
        images = st.number_input("Images a batch", 1, 512, own.compute.batch_images, key="images", bind=URL)
        crops = st.number_input("Crops a batch", 1, 2048, own.models.embedder_batch, key="crops", bind=URL)
    wanted = {
        "paths.data": data or own.paths.data,
        "labels.file": labels or own.labels.file,
        "models.embedder": model or own.models.embedder,
        "labels.topk": int(topk),
        "compute.batch_images": int(images),
        "models.embedder_batch": int(crops),
    }
    changed = {key: value for key, value in wanted.items() if value != _value(own, key)}
    return (Settings.load(config, overrides=changed) if changed else own), changed


def choices(bench: Workbench, overrides: dict[str, Any], where: Places) -> Choices:
    """Folder and thresholds."""
    with where.folder:
        folder = _folder(bench)
        start = FITTED if bench.settings.thresholds.target_precision else FIXED
        with st.container(key=BELIEVED):
            mode = st.segmented_control(
                "Believe a tag by", (FIXED, FITTED), default=start, required=True, key="by", bind=URL
            )
            minimum, changed = _fitted(bench, folder) if mode == FITTED else _fixed(bench, folder)
    with where.settings:
        shown = st.number_input(
            "Images in the grid at most",
            1,
            1_000_000,
            20_000,
            key="most",
            bind=URL,
            help="The first of the order that is chosen there. Commands work on all images.",
        )
    return Choices(folder, minimum, int(shown), overrides | changed)


def _folder(bench: Workbench) -> str:
    """Key of the folder; empty where there is none."""
    folders = bench.folders()
    # Once a visit: every folder may have to be looked at.
    if "opening" not in st.session_state:
        st.session_state["opening"] = opening_folder(bench)
    opening = st.session_state["opening"]
    first = folders.index(opening) if opening in folders else 0
    st.session_state[FIRST_FOLDER] = folders[first] if folders else ""
    chosen = st.selectbox(
        "Folder",
        folders,
        first,
        key="folder",
        bind=URL,
        format_func=folder_name,
        on_change=_leave_image,
    )
    if address.view() == address.SEARCH:
        st.caption(FOLDER_OF_COMMANDS)
    return chosen or ""


def _leave_image() -> None:
    """An image that is shown large lies in the folder that is left."""
    if address.IMAGE in st.query_params:
        address.change(image="")


def folder_told(key: str) -> str:
    """What the address has for a folder; empty for the one that it need not name."""
    return "" if key == st.session_state.get(FIRST_FOLDER) else folder_name(key)


def _fixed(bench: Workbench, folder: str) -> tuple[Minimum, dict[str, Any]]:
    own = first_minimums(bench, folder)
    vote = st.slider("Vote", 0.0, 1.0, own["vote"], 0.01, key="vote", bind=URL)
    label = _label_slider(own["zero_shot"])
    if own["zero_shot"] != bench.settings.labels.threshold:
        st.caption(
            f"This folder's labels were scored from {own['zero_shot']:.2f} on; the settings say"
            f" {bench.settings.labels.threshold:.2f}."
        )
    # A target of the file would have commands give tags by other thresholds than these.
    wanted = {"tagging.threshold": vote, "labels.threshold": label, "thresholds.target_precision": 0.0}
    changed = {key: value for key, value in wanted.items() if value != _value(bench.settings, key)}
    return Minimum({"vote": vote, "zero_shot": label}, {}), changed


def _label_slider(first: float) -> float:
    """Stands where the folder's labels were told from until somebody moves it; then it stays, also for other folders."""
    before = st.session_state.get("label_first", first)
    has_moved_along = before != first and st.session_state.get("label", before) == before
    if has_moved_along:
        st.session_state["label"] = first
    st.session_state["label_first"] = first
    # Streamlit takes a value from one place only.
    start = None if has_moved_along else first
    return st.slider("Label", min(-0.2, first), 1.0, start, 0.01, key="label", bind=URL)


def _fitted(bench: Workbench, folder: str) -> tuple[Minimum, dict[str, Any]]:
    from autotag.pipeline.thresholds_in_use import thresholds_in_use

    own = bench.settings.thresholds.target_precision or 0.9
    least, most = min(0.5, own), max(0.99, own)
    wanted = st.slider("Share that must be right", least, most, own, 0.01, key="precision", bind=URL)
    changed = {"thresholds.target_precision": wanted}
    settings = bench.settings.model_copy(
        update={"thresholds": bench.settings.thresholds.model_copy(update={"target_precision": wanted})}
    )
    try:
        table = thresholds_in_use(bench.plan, settings)
    except MissingInputError as error:
        st.warning(plain_markdown(str(error)))
        table = None
    if table is None:
        return _fixed(bench, folder)[0], changed
    _tell_stale(bench, settings)
    # Nothing is fitted to a source without examples: there, commands keep to the one threshold of the settings.
    return Minimum({**own_minimums(bench.settings), **table.defaults()}, table.by_tag()), changed


def _tell_stale(bench: Workbench, settings: Settings) -> None:
    from autotag.pipeline.threshold_facts import is_stale

    try:
        if is_stale(bench.plan, settings):
            st.caption("Fitted before the latest decisions or index: press Fit thresholds.")
    except AutotagError as error:  # of labels or ledger: the thresholds are good without
        st.warning(plain_markdown(str(error)))


def _value(settings: Settings, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)
