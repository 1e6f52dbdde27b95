import pytest
import streamlit as st

from autotag.search.answers import FoundRegion
from autotag.serving.studio.search_look import objects_of, search_part
from autotag.serving.studio.search_query import Asked
from autotag.serving.studio.search_state import leaning, look, looked, more_like
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.serving.studio.searches import FOLDER, Library, library

REGION = FoundRegion(2, (10, 10, 30, 30), "red", 0.9, 0.5)


@pytest.fixture
def found(settings: Settings, folders: Folders) -> Library:
    st.cache_resource.clear()
    st.cache_data.clear()
    st.session_state.clear()
    st.query_params.clear()
    folders.make(FOLDER, {})
    return library(Workbench.of(settings), folders, {"red": 2})


def test_a_drawn_box_is_one_more_example_and_words_stay(found: Library) -> None:
    hit = found.hit("red00.png")
    st.session_state["q"] = "a dog"
    look(hit.image_id)
    search_part(Asked("a dog"), hit, [REGION], {"id": hit.image_id, "box": [0.25, 0.5, 0.5, 1.2]})
    (example,) = leaning().like
    assert example.box_xyxy_px == (16, 32, 32, 64)
    assert example.region_index is None
    assert (st.session_state["q"], looked()) == ("a dog", "")


def test_an_object_that_is_clicked_is_one_more_example_like_a_whole_image(found: Library) -> None:
    hit = found.hit("red00.png")
    more_like(found.hit("red01.png"), "catalog")
    search_part(Asked(), hit, [REGION], {"id": hit.image_id, "region": 2})
    before, example = leaning().like
    assert before.file == "red01.png"
    assert (example.box_xyxy_px, example.region_index) == ((10, 10, 30, 30), 2)


@pytest.mark.parametrize(
    "said",
    [
        {"id": "another", "box": [0, 0, 1, 1]},
        {"region": 2},
        {"id": "", "region": 9},
        {"id": "", "box": [0.5, 0.5, 0.5, 0.9]},
        {"id": "", "box": [float("nan"), 0, 1, 1]},
        {"id": "", "box": [2, 2, 3, 3]},
    ],
)
def test_what_is_not_there_is_not_looked_for(found: Library, said: dict[str, object]) -> None:
    hit = found.hit("red00.png")
    told = {**said, "id": hit.image_id} if said.get("id") == "" else said
    search_part(Asked(), hit, [REGION], told)
    assert leaning().like == ()


def test_small_objects_lie_on_large_ones(found: Library) -> None:
    from dataclasses import replace

    wide = FoundRegion(9, (0, 0, 64, 64), "wall", 0.4, 0.3)
    hit = replace(found.hit("red00.png"), regions=(wide,))
    names = [each.class_name for each in objects_of(found.engine, hit)]
    assert names[0] == "wall"
    assert "red" in names
