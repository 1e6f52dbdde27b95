"""Buttons that run the folder's assets, and how far they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from upath import UPath

from autotag.domain.identity import folder_path
from autotag.serving.studio import background
from autotag.serving.studio.background import BackgroundCommand
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.undo import FAILED
from autotag.serving.studio.workbench import Workbench, file_state, folder_name
from autotag.storage.fingerprints import fingerprint

BUTTONS = (
    ("scan", "Scan", "List the folder's images"),
    ("thumbs", "Thumbnails", "Make small pictures"),
    ("embed", "Embed", "Find regions and embed them"),
    ("score", "Score", "Score labels and propose tags"),
    ("tag-target", "Vote", "Let the archive vote"),
    ("medoids", "Medoid", "Find the most typical image"),
    ("export", "Export CSV", "Write review.csv"),
    ("discover", "Find new tags", "Cluster what no tag, voter or label explains"),
)
LOOK_INTERVAL_S = 1.0
IDLE_INTERVAL_S = 15.0

NOT_AS_PREVIEWED = (
    "Nothing was written: since this page was drawn, another tab has previewed the sidecars anew, or written what was"
    " previewed. Look at the preview again."
)

COMMANDS_SHOWN = 3
OUTPUT_HEIGHT_PX = 240


def command_panel(bench: Workbench, folder: str, overrides: Mapping[str, Any]) -> None:
    """The buttons of a folder, and the commands under way."""
    st.markdown("**Run for this folder**")
    columns = st.columns(2)
    for number, (verb, label, told) in enumerate(BUTTONS):
        with columns[number % 2]:
            if st.button(label, help=told, key=f"run-{verb}", width="stretch", disabled=not folder):
                start_command(bench, label, [verb], folder, overrides)
    if overrides.get("thresholds.target_precision") and st.button(
        "Fit thresholds", key="run-fit", width="stretch", help="To the archive and to your decisions"
    ):
        start_command(bench, "Fit thresholds", ["thresholds"], "", overrides)
    plan = _sidecar_plan(bench, folder)
    if st.button("Preview sidecars", key="run-dry", width="stretch", disabled=not folder):
        start_command(
            bench, "Preview sidecars", ["sidecars", "--dry-run", "--save-plan", str(plan)], folder, overrides
        )
    with st.popover("Write sidecars ...", width="stretch", disabled=not folder):
        st.write("Approved tags go into XMP files beside the images. The images are not touched.")
        previewed = file_state(UPath(plan))
        if previewed:
            st.caption(
                "As previewed: a sidecar is refused that was changed since, or that would get or lose anything else."
            )
        st.button(
            "Write sidecars",
            key="run-sidecars",
            type="primary",
            on_click=_write_sidecars,
            args=(bench, plan, previewed, folder, overrides),
        )
    _under_way(bench)


def _sidecar_plan(bench: Workbench, folder: str) -> Path:
    """Where the last preview of a folder's sidecars is kept, until it is written."""
    return bench.runs / background.DIRECTORY / f"sidecars-{fingerprint(folder=folder)}.plan"


def _write_sidecars(
    bench: Workbench, plan: Path, previewed: str, folder: str, overrides: Mapping[str, Any]
) -> None:
    """Write as previewed, where a preview was told of when the button was drawn; one preview is good for one writing."""
    taken = plan if previewed else None
    try:
        if file_state(UPath(plan)) != previewed:
            raise FileNotFoundError(plan)
        start_command(bench, "Write sidecars", ["sidecars"], folder, overrides, taken)
    except FileNotFoundError:
        st.session_state[FAILED] = NOT_AS_PREVIEWED


def start_command(
    bench: Workbench,
    label: str,
    words: list[str],
    folder: str,
    overrides: Mapping[str, Any],
    plan: Path | None = None,
) -> None:
    """Start `autotag` with these words, for a folder where one is named, over the settings of the page.

    Raises:
        FileNotFoundError: there is no such plan; nothing was started.
    """
    file = bench.settings.file
    words = [*words, *(["--folder", folder_path(folder)] if folder else [])]
    words += ["--config", str(file)] if file else []
    named = f"{label}: {folder_name(folder)}" if folder else label
    background.start(bench.runs, named, words, environment_of(overrides), plan)


def environment_of(overrides: Mapping[str, Any]) -> dict[str, str]:
    """Settings over those of the file, as a command reads them."""
    return {f"AUTOTAG_{key.replace('.', '__').upper()}": str(value) for key, value in overrides.items()}


def _under_way(bench: Workbench) -> None:
    """The last commands, looked at often while one of them works: each look of each open tab costs the server some work."""
    works = any(command.exit_code is None for command in background.known(bench.runs)[:COMMANDS_SHOWN])
    st.fragment(_last_commands, run_every=LOOK_INTERVAL_S if works else IDLE_INTERVAL_S)(bench)


def _last_commands(bench: Workbench) -> None:
    commands = background.known(bench.runs)[:COMMANDS_SHOWN]
    for command in commands:
        _show(command)
    states = {str(each.directory): each.exit_code is None for each in commands}
    if st.session_state.setdefault("commands", states) != states:
        st.session_state["commands"] = states
        st.rerun(scope="app")


def _show(command: BackgroundCommand) -> None:
    code = command.exit_code
    if code is None:
        step, done, total = command.progress
        share = min(done / total, 1.0) if total else 0.0
        told = f"{step} {done:,} of {total:,}" if total else step or "starting"
        st.progress(share, plain_markdown(f"{command.label} · {told}"))
        if st.button("Stop", key=f"stop-{command.directory.name}"):
            command.stop()
        return
    mark = "✓" if code == 0 else "✗"
    with st.expander(f"{mark} {plain_markdown(command.label)}", expanded=code != 0):
        st.code(command.output or "no output", language=None, height=OUTPUT_HEIGHT_PX)
