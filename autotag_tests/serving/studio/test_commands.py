"""The buttons of a folder, as Streamlit itself runs them; the commands are only noted."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from autotag.domain.identity import folder_key
from autotag.serving.studio import background
from autotag_tests.serving.studio.grids import Desk, checked, said

FOLDER = folder_key("caf\udce9")
Started = list[tuple[str, list[str], Path | None]]


def panel(config: str, folder: str) -> None:
    """What Streamlit runs: the buttons alone."""
    from pathlib import Path

    import streamlit as st

    from autotag.serving.studio.commands import command_panel
    from autotag.serving.studio.undo import FAILED
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    if failed := st.session_state.pop(FAILED, ""):
        st.error(failed)
    command_panel(Workbench.of(Settings.load(Path(config))), folder, {})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What would have been started, with the plan as it is taken."""
    found: Started = []

    def start(
        runs: Path, label: str, words: list[str], environment: dict[str, str], plan: Path | None = None
    ) -> None:
        del runs, environment
        if plan is not None:
            plan.unlink()
        found.append((label, words, plan))

    monkeypatch.setattr(background, "start", start)
    return found


@pytest.fixture
def plan_file(desk: Desk) -> Path:
    """Where the folder's preview is kept; there is one."""
    from autotag.storage.fingerprints import fingerprint

    desk.birds(1)
    runs = Path(desk.plan.layout.runs.path) / background.DIRECTORY
    runs.mkdir(parents=True)
    path = runs / f"sidecars-{fingerprint(folder=FOLDER)}.plan"
    path.write_text("{}")
    return path


def shown(desk: Desk) -> AppTest:
    return checked(AppTest.from_function(panel, args=(str(desk.config), FOLDER), default_timeout=60).run())


def write(page: AppTest) -> AppTest:
    return checked(page.button(key="run-sidecars").click().run())


def test_a_folder_whose_name_is_no_utf_8_can_be_worked_on_and_told_of(
    desk: Desk, started: Started, plan_file: Path
) -> None:
    page = shown(desk)
    checked(page.button(key="run-scan").click().run())
    ((label, words, _),) = started
    assert label == r"Scan: caf\xe9"
    assert words[:3] == ["scan", "--folder", "caf\udce9"]
    assert plan_file.exists()


def test_what_was_previewed_is_written_once(desk: Desk, started: Started, plan_file: Path) -> None:
    page = write(shown(desk))
    assert [plan for _, _, plan in started] == [plan_file]
    write(page)
    assert [plan for _, _, plan in started] == [plan_file, None]


def test_of_two_tabs_the_second_is_told_that_the_preview_is_gone(
    desk: Desk, started: Started, plan_file: Path
) -> None:
    assert plan_file.exists()
    one, other = shown(desk), shown(desk)
    write(one)
    assert "Nothing was written" in said(write(other))
    assert len(started) == 1


def test_a_preview_that_another_tab_made_since_is_not_written_unseen(
    desk: Desk, started: Started, plan_file: Path
) -> None:
    page = shown(desk)
    plan_file.write_text('{"another": 1}')
    assert "Nothing was written" in said(write(page))
    assert started == []
    assert plan_file.exists()
