from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.schemas import TARGET_THUMBNAILS, label_scores
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import score_labels
from autotag.serving.studio import sidebar as view
from autotag.serving.studio.beginning import first_minimums, opening_folder
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag.storage.tables import Stamp, write_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import colour_folder, rules
from autotag_tests.serving.studio.test_sidebar import by, captions, chosen, moved, sidebar


@pytest.fixture
def bench(settings_file: Path, settings: Settings, plan: PipelinePlan, folders: Folders) -> Workbench:
    """Three folders that nobody has looked at; the settings believe a label from 0.25 on."""
    st.cache_resource.clear()
    st.cache_data.clear()
    for name in ("a", "b", "c"):
        folders.simple(name, 1)
    settings_file.write_text(settings_file.read_text() + "[labels]\nthreshold = 0.25\n")
    return Workbench.of(Settings.load(settings_file))


def score(bench: Workbench, key: str, threshold: float, model_id: str = "") -> None:
    """Labels of the folder were told from this threshold on."""
    schema = label_scores(1)
    stamp = Stamp("label_scores", model_id or bench.plan.model_id, "x", {"threshold": threshold})
    write_table(bench.tables(key).label_scores, schema.empty_table(), schema, stamp)


def visit(settings_file: Path, **query: str) -> AppTest:
    page = AppTest.from_function(sidebar, args=(str(settings_file),), default_timeout=60)
    page.query_params.update(query)
    page.run()
    assert not page.exception
    return page


def test_the_first_folder_with_tags_is_opened_else_the_first_with_thumbnails_else_the_first(
    bench: Workbench,
) -> None:
    assert opening_folder(bench) == "a"
    write_table(
        bench.tables("b").thumbnail_table, TARGET_THUMBNAILS.empty_table(), TARGET_THUMBNAILS, Stamp("x")
    )
    assert opening_folder(bench) == "b"
    score(bench, "c", 0.25)
    assert opening_folder(bench) == "c"


def test_a_visit_begins_with_the_folder_that_has_tags_unless_its_address_names_another(
    bench: Workbench, settings_file: Path
) -> None:
    score(bench, "b", 0.25)
    assert chosen(visit(settings_file)).folder == "b"
    assert chosen(visit(settings_file, folder="c")).folder == "c"


def test_folders_are_looked_at_once_a_visit(
    bench: Workbench, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(view, "opening_folder", lambda bench: looks.append(1) or opening_folder(bench))
    page = visit(settings_file)
    moved(page, "vote", 0.6)
    assert looks == [1]


def test_what_a_run_proposed_from_a_threshold_of_its_own_is_believed_and_commands_keep_to_it(
    bench: Workbench, settings_file: Path
) -> None:
    score(bench, "a", 0.12)
    page = visit(settings_file)
    assert page.slider(key="label").value == 0.12
    assert chosen(page).minimum.of("zero_shot", "bird") == 0.12
    assert chosen(page).overrides == {"labels.threshold": 0.12}
    assert "from 0.12 on; the settings say 0.25" in captions(page)


def test_the_slider_goes_along_with_the_folder_until_it_is_moved(
    bench: Workbench, settings_file: Path
) -> None:
    score(bench, "a", 0.12)
    score(bench, "b", 0.3)
    page = visit(settings_file)
    for folder, least in (("b", 0.3), ("c", 0.25), ("a", 0.12)):
        page = page.selectbox(key="folder").set_value(folder).run()
        assert chosen(page).minimum.of("zero_shot", "bird") == least
        assert page.slider(key="label").value == least
    moved(page, "label", 0.2)
    page = page.selectbox(key="folder").set_value("b").run()
    assert chosen(page).minimum.of("zero_shot", "bird") == 0.2


def test_a_threshold_of_the_address_holds_over_the_folder_s(bench: Workbench, settings_file: Path) -> None:
    score(bench, "a", 0.12)
    page = visit(settings_file, label="0.4")
    assert chosen(page).minimum.of("zero_shot", "bird") == 0.4
    assert chosen(page.run()).minimum.of("zero_shot", "bird") == 0.4


def test_the_folder_s_threshold_is_where_the_fixed_ones_begin_after_a_look_at_the_fitted(
    bench: Workbench, settings_file: Path
) -> None:
    score(bench, "a", 0.12)
    page = visit(settings_file)
    by(page, view.FITTED)
    assert by(page, view.FIXED).minimum.of("zero_shot", "bird") == 0.12


def test_scoring_itself_leaves_its_threshold_for_the_page(
    bench: Workbench, plan: PipelinePlan, folders: Folders
) -> None:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules(threshold=0.41))
    assert first_minimums(bench, "trip") == {"vote": bench.settings.tagging.threshold, "zero_shot": 0.41}


def test_scores_of_another_model_or_none_leave_the_settings_threshold(bench: Workbench) -> None:
    score(bench, "a", 0.12, "another")
    assert {first_minimums(bench, key)["zero_shot"] for key in ("a", "b", "")} == {0.25}


def test_a_folder_that_is_scored_anew_has_its_new_threshold_at_once(bench: Workbench) -> None:
    score(bench, "a", 0.12)
    assert first_minimums(bench, "a")["zero_shot"] == 0.12
    score(bench, "a", 0.375)
    assert first_minimums(bench, "a")["zero_shot"] == 0.375
