from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.identity import folder_key
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.studio.sidebar import FITTED, FIXED, Choices
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps

Shown = Callable[[], AppTest]
ASKED = '\n[thresholds]\ntarget_precision = {}\n[labels]\nfile = "none.txt"\nthreshold = 0.3\n'


def sidebar(config: str) -> None:
    """What Streamlit runs: the sidebar alone."""
    from pathlib import Path

    import streamlit as st

    from autotag.serving.studio.sidebar import choices, places, settings_of_sidebar
    from autotag.serving.studio.workbench import Workbench

    where = places()
    settings, overrides = settings_of_sidebar(Path(config), where.settings)
    st.session_state["chosen"] = choices(Workbench.of(settings), overrides, where)


@pytest.fixture
def shown(settings_file: Path) -> Shown:
    """Shows the sidebar of the settings file as it is now, over a data root without folders."""
    (settings_file.parent / "data" / "target").mkdir(parents=True)
    # A server has one settings file; tests have many that say the same of other directories.
    st.cache_resource.clear()
    return lambda: AppTest.from_function(sidebar, args=(str(settings_file),), default_timeout=60).run()


def chosen(page: AppTest) -> Choices:
    assert not page.exception
    return page.session_state["chosen"]


def moved(page: AppTest, slider: str, value: float) -> Choices:
    return chosen(page.slider(key=slider).set_value(value).run())


def by(page: AppTest, mode: str) -> Choices:
    return chosen(page.segmented_control(key="by").set_value(mode).run())


def captions(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(each.value for each in page.caption)


def ask(settings_file: Path, precision: float) -> Settings:
    return steps.asking(settings_file, ASKED.format(precision))


def test_without_a_target_the_fixed_thresholds_hold_and_commands_are_told_nothing(
    shown: Shown, settings: Settings
) -> None:
    found = chosen(shown())
    assert found.minimum.of("vote", "bird") == settings.tagging.threshold
    assert found.minimum.of("zero_shot", "bird") == settings.labels.threshold
    assert found.overrides == {}


def test_what_is_believed_from_a_moved_slider_on_is_what_commands_give_from_then_on(shown: Shown) -> None:
    page = shown()
    assert moved(page, "vote", 0.6).overrides == {"tagging.threshold": 0.6}
    found = moved(page, "label", 0.1)
    assert found.overrides == {"tagging.threshold": 0.6, "labels.threshold": 0.1}
    assert found.minimum.by_source == {"vote": 0.6, "zero_shot": 0.1}


@pytest.mark.parametrize("precision", [0.3, 0.8, 0.995])
def test_a_target_of_the_file_is_where_the_page_starts(
    shown: Shown, settings_file: Path, precision: float
) -> None:
    ask(settings_file, precision)
    page = shown()
    assert chosen(page).overrides == {"thresholds.target_precision": precision}
    assert page.slider(key="precision").value == precision
    assert "never fitted" in page.warning[0].value


def test_fixed_thresholds_are_handed_to_commands_over_a_target_of_the_file(
    shown: Shown, settings_file: Path
) -> None:
    ask(settings_file, 0.8)
    page = shown()
    assert by(page, FIXED).overrides == {"thresholds.target_precision": 0.0}
    assert by(page, FITTED).overrides == {"thresholds.target_precision": 0.8}


def test_labels_that_nothing_was_fitted_to_keep_the_threshold_of_the_settings(
    shown: Shown, settings_file: Path, plan: PipelinePlan, archive: Archive
) -> None:
    steps.odd_archive(plan, archive)
    fitted = steps.table(plan, ask(settings_file, 0.8))
    assert set(fitted.defaults()) == {"vote"}
    page = shown()
    minimum = chosen(page).minimum
    assert [each.value for each in page.warning] == []
    assert minimum.of("vote", "red") == pytest.approx(fitted.minimum("vote", "red", 0.0))
    assert minimum.of("zero_shot", "red") == 0.3


def test_fitted_thresholds_hold_though_they_are_stale_or_nobody_can_tell(
    shown: Shown, settings_file: Path, plan: PipelinePlan, archive: Archive
) -> None:
    steps.odd_archive(plan, archive)
    settings = ask(settings_file, 0.8)
    fitted = steps.table(plan, settings)
    assert "Fitted before" not in captions(shown())
    labels = settings_file.with_name("none.txt")
    labels.write_text("red\n")
    assert "Fitted before the latest decisions" in captions(shown())
    labels.write_bytes(b"red\n\x00\n")
    page = shown()
    assert chosen(page).minimum.of("vote", "red") == pytest.approx(fitted.minimum("vote", "red", 0.0))
    assert "line 2" in page.warning[0].value


def test_a_folder_whose_name_is_no_utf_8_is_offered_beside_the_others(
    shown: Shown, settings_file: Path
) -> None:
    target = settings_file.parent / "data" / "target"
    for name in ("birds", "caf\udce9"):
        (target / name).mkdir()
        (target / name / "a.png").touch()
    st.cache_data.clear()
    page = shown()
    assert page.selectbox(key="folder").options == ["birds", r"caf\xe9"]
    page = page.selectbox(key="folder").set_value(folder_key("caf\udce9")).run()
    assert chosen(page).folder == folder_key("caf\udce9")


def test_another_folder_leaves_no_image_of_the_one_before_in_the_address(
    shown: Shown, settings_file: Path
) -> None:
    two_folders(settings_file)
    page = shown()
    page.query_params["image"] = "a.png"
    page.selectbox(key="folder").set_value("trees").run()
    assert not page.exception
    assert "image" not in page.query_params
    assert page.selectbox(key="folder").value == folder_key("trees")


def test_beside_a_search_the_folder_is_said_to_be_that_of_the_commands(
    shown: Shown, settings_file: Path
) -> None:
    two_folders(settings_file)
    page = shown()
    assert "Search looks into every folder" not in captions(page)
    page.query_params["view"] = "Search"
    assert "Search looks into every folder" in captions(page.run())


def two_folders(settings_file: Path) -> None:
    for name in ("birds", "trees"):
        folder = settings_file.parent / "data" / "target" / name
        folder.mkdir()
        (folder / "a.png").touch()
    st.cache_data.clear()
