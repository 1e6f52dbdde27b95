import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.errors import CatalogUnavailableError
from autotag.serving.studio import search_engine as engines
from autotag.serving.studio.search_query import HITS_A_PAGE, Leaning, example_of
from autotag.serving.studio.search_state import LEANING, LOOKED
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.serving.studio.searches import FOLDER, Library, library, visit


@pytest.fixture
def found(settings: Settings, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A folder of three colours, which the page finds open."""
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.make(FOLDER, {})
    made = library(Workbench.of(settings), folders, {"red": 20, "blue": 20, "green": 20})
    monkeypatch.setattr(engines, "open_engine", lambda *_: made.engine)
    return made


def component(page: AppTest, name: str) -> dict[str, Any]:
    """What a component of ours was given last; empty where it is not on the page."""
    shown = [each.proto for each in page.get("bidi_component") if each.proto.id.endswith(f"-{name}")]
    return json.loads(shown[-1].json) if shown else {}


def files(page: AppTest) -> list[str]:
    return [card["name"] for card in component(page, "hits").get("hits", [])]


def colours(names: Sequence[str]) -> set[str]:
    return {name[:-6] for name in names}


def said(page: AppTest) -> str:
    return "\n".join(each.value for each in (*page.info, *page.error, *page.warning, *page.caption))


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception, page.exception
    return page


def test_a_visit_begins_with_the_newest_images_page_by_page(found: Library, settings_file: Path) -> None:
    page = visit(settings_file)
    first = files(page)
    assert len(first) == HITS_A_PAGE
    press(page, "hits-after")
    second = files(page)
    assert not set(first) & set(second)
    assert f"{HITS_A_PAGE + 1} to {2 * HITS_A_PAGE} of" in said(page)
    assert files(press(page, "hits-before")) == first


def test_words_of_the_address_find_images_with_scores_and_boxes(found: Library, settings_file: Path) -> None:
    page = visit(settings_file, q="  red ", find="objects")
    cards = component(page, "hits")["hits"]
    assert colours([card["name"] for card in cards[:10]]) == {"red"}
    assert all(card["score"] and card["boxes"] for card in cards)
    assert all(card["picture"] and not card["reason"] for card in cards)


def test_nothing_is_found_with_a_reason_and_the_nearest_are_shown_on_request(
    found: Library, settings_file: Path
) -> None:
    page = visit(settings_file, q="zebra crossing at dawn")
    assert files(page) == []
    assert "Nothing stands out" in said(page)
    press(page, "search-nearest")
    assert len(files(page)) == HITS_A_PAGE
    assert any(card["weak"] for card in component(page, "hits")["hits"])
    page.text_input(key="q").set_value("another zebra").run()
    assert "Nothing stands out" in said(page)


def test_filters_leave_images_out(found: Library, settings_file: Path) -> None:
    page = visit(settings_file, with_tags="blue")
    assert colours(files(page)) == {"blue"}
    assert "1 filter" in said(page)
    page.multiselect(key="with_tags").set_value(["blue", "red"]).run()
    assert "No image passes" in said(page)
    press(page, "search-new")
    assert len(files(page)) == HITS_A_PAGE


def test_dates_that_end_before_they_begin_are_said_and_the_page_stays(
    found: Library, settings_file: Path
) -> None:
    page = visit(settings_file, since="2024-05-05", until="2024-05-01")
    assert "before it begins" in said(page)
    assert page.text_input(key="q").value in ("", None)


def test_examples_are_shown_and_their_own_images_are_not(found: Library, settings_file: Path) -> None:
    page = visit(settings_file, q="red")
    like, unlike = (example_of(found.hit(name), "catalog") for name in ("red03.png", "blue04.png"))
    page.session_state[LEANING] = Leaning((like,), (unlike,))
    page.run()
    strip = component(page, "examples")["examples"]
    assert [each["told"] for each in strip] == ["like red03.png", "not like blue04.png"]
    assert all(each["picture"] for each in strip)
    assert not {"red03.png", "blue04.png"} & set(files(page))


def test_a_dropped_image_is_looked_for(found: Library, settings_file: Path) -> None:
    page = visit(settings_file)
    page.file_uploader[0].set_value(("mine.png", coloured("green", 3), "image/png"))
    page.run()
    assert not page.exception
    assert files(page)[0] == "green03.png"
    assert [each["told"] for each in component(page, "examples")["examples"]] == ["like mine.png"]


@pytest.mark.parametrize("data", [b"", b"not an image", coloured("red", 1)[:300]])
def test_a_dropped_file_that_is_no_image_is_said(found: Library, settings_file: Path, data: bytes) -> None:
    page = visit(settings_file)
    page.file_uploader[0].set_value(("broken.png", data, "image/png"))
    page.run()
    assert not page.exception
    assert "broken" in said(page)
    assert component(page, "examples") == {}
    assert len(files(page)) == HITS_A_PAGE


def test_an_image_is_looked_at_closely_with_its_objects(found: Library, settings_file: Path) -> None:
    page = visit(settings_file, q="red")
    hit = component(page, "hits")["hits"][0]
    page.session_state[LOOKED] = hit["id"]
    page.run()
    shown = component(page, "look")
    assert (shown["name"], shown["id"]) == (hit["name"], hit["id"])
    assert shown["boxes"]
    assert component(page, "hits") == {}
    press(page, "look-after")
    assert component(page, "look")["name"] != hit["name"]
    press(page, "look-more")
    assert component(page, "look") == {}
    assert page.text_input(key="q").value == "red"
    assert len(component(page, "examples")["examples"]) == 1


def test_a_store_that_does_not_answer_is_said_and_asked_again(
    found: Library, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(settings_file, q="red")

    def gone(*_: object, **__: object) -> object:
        raise CatalogUnavailableError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(found.catalog, "search", gone)
        page.run()
        assert "does not answer" in said(page)
    assert files(page.run())


def test_without_a_catalog_the_page_says_how_to_make_one(
    settings: Settings, settings_file: Path, folders: Folders
) -> None:
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.simple(FOLDER, 1)
    page = visit(settings_file)
    assert "There is no catalog of your folders yet" in said(page)
    assert page.button(key="make-catalog").label == "Make the catalog"
    assert settings.file is not None
    page = visit(settings_file, over="the archive", q="red")
    assert page.info
