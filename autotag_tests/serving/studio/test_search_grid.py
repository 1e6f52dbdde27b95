from datetime import UTC, datetime

import pytest
import streamlit as st

from autotag.search.answers import FoundRegion, SearchHit
from autotag.serving.studio import search_grid
from autotag.serving.studio.search_grid import act, hit_card, percent, told
from autotag.serving.studio.search_pictures import Shown
from autotag.serving.studio.search_state import CAME_FROM, leaning, looked
from autotag.serving.studio.sidebar import FIRST_FOLDER
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.conftest import Folders


def hit(name: str = "a.jpg", score: float | None = 0.5, folder: str = "trip") -> SearchHit:
    regions = (
        FoundRegion(0, (0, 0, 200, 100), "", 1.0, 0.5),
        FoundRegion(3, (50, 25, 150, 75), "dog", 0.9, 0.4),
    )
    added = datetime(2024, 1, 1, tzinfo=UTC)
    return SearchHit(f"id-{name}", "m", folder, name, 200, 100, ("dog",), None, added, score, regions)


@pytest.fixture
def bench(settings: Settings, folders: Folders) -> Workbench:
    st.cache_resource.clear()
    st.cache_data.clear()
    st.session_state.clear()
    st.query_params.clear()
    folders.simple("trip", 1)
    return Workbench.of(settings)


def test_boxes_are_told_in_percent_and_the_whole_image_has_none() -> None:
    card = hit_card(hit(), Shown("media/x.jpg"), 0.6)
    assert card["boxes"] == [{"percent": [25.0, 25.0, 50.0, 50.0], "label": "dog"}]
    assert percent((0, 0, 9, 9), SearchHit("", "", "", "", 0, 0, (), None, None, None)) == [0, 0, 900, 900]


def test_scores_are_told_and_those_under_the_cut_are_pale() -> None:
    assert (hit_card(hit(), Shown("x"), 0.6)["score"], hit_card(hit(), Shown("x"), 0.6)["weak"]) == (
        "0.500",
        True,
    )
    assert not hit_card(hit(), Shown("x"), 0.5)["weak"]
    assert not hit_card(hit(), Shown("x"), None)["weak"]
    assert (hit_card(hit(score=None), Shown("x"), 0.6)["score"]) == ""
    assert not hit_card(hit(score=None), Shown("x"), 0.6)["weak"]


@pytest.mark.parametrize(("score", "is_low"), [(-0.02, True), (0.0, True), (0.01, False), (None, False)])
def test_a_score_of_nothing_or_less_is_no_good_one(score: float | None, is_low: bool) -> None:
    assert hit_card(hit(score=score), Shown("x"), None)["low"] is is_low


def test_names_that_are_no_text_can_be_told_to_a_browser() -> None:
    card = hit_card(hit("\udce9 <b>.jpg", folder="x%FF"), Shown("", "it is \udcff gone"), None)
    told = repr((card["name"], card["place"], card["reason"])).encode()
    assert b"<b>" in told  # as text: the script of the page makes no HTML of it
    assert card["name"].encode()
    assert card["place"].encode()


def test_the_script_writes_text_and_never_html() -> None:
    for name in ("search_grid", "search_look"):
        script, style = search_grid._files(name)
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in script
        assert "export default function" in script
        assert ".root" in style


def test_buttons_of_a_card_do_what_they_say(bench: Workbench) -> None:
    hits = (hit("a.jpg"), hit("b.jpg"))
    act(bench, "catalog", hits, "more", "id-a.jpg")
    act(bench, "catalog", hits, "less", "id-b.jpg")
    assert [each.file for each in leaning().like] == ["a.jpg"]
    assert [each.file for each in leaning().unlike] == ["b.jpg"]
    act(bench, "catalog", hits, "look", "id-b.jpg")
    assert looked() == "id-b.jpg"


def test_a_card_that_is_gone_does_nothing(bench: Workbench) -> None:
    for verb in ("more", "less", "look", "review"):
        act(bench, "catalog", (hit(),), verb, "id-gone")
    assert leaning().like == leaning().unlike == ()
    assert looked() == ""


def test_a_hit_is_reviewed_in_its_folder_among_the_hits_of_that_folder(bench: Workbench) -> None:
    hits = (hit("a.jpg"), hit("b.jpg", folder="other"), hit("c.jpg"))
    act(bench, "catalog", hits, "review", "id-c.jpg")
    assert st.query_params.to_dict() == {"image": "c.jpg", "folder": "trip"}
    state = st.session_state
    assert (state["folder"], state[CAME_FROM].view, state[CAME_FROM].folder) == ("trip", "Search", "")
    assert state["queue"] == ["a.jpg", "c.jpg"]


def test_the_folder_that_a_visit_begins_with_is_not_in_the_address(bench: Workbench) -> None:
    st.session_state[FIRST_FOLDER] = "trip"
    act(bench, "catalog", (hit(),), "review", "id-a.jpg")
    assert st.query_params.to_dict() == {"image": "a.jpg"}


def test_what_lies_in_no_folder_that_is_there_cannot_be_reviewed(bench: Workbench) -> None:
    act(bench, "catalog", (hit(folder="gone"),), "review", "id-a.jpg")
    act(bench, "reference", (hit(),), "review", "id-a.jpg")
    assert st.query_params.to_dict() == {}
    assert CAME_FROM not in st.session_state


def test_a_click_on_what_streamlit_has_forgotten_is_lost_and_the_page_stays(bench: Workbench) -> None:
    assert told("hits") == {}
    act(bench, "catalog", (hit(),), told("hits").get("verb", ""), told("hits").get("id", ""))
    assert leaning().like == ()
