import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.errors import CatalogUnavailableError, MissingInputError
from autotag.serving.studio import search_engine, search_opening
from autotag.serving.studio.search_query import HITS_A_PAGE, example_of
from autotag.serving.studio.undo import FAILED
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
    monkeypatch.setattr(search_opening, "open_engine", lambda *_: made.engine)
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
    assert "1 to 20 of 20 images that pass 1 filter, in a catalog of 60" in said(page)
    page.multiselect(key="with_tags").set_value(["blue", "red"]).run()
    assert "No image passes" in said(page)
    press(page, "search-new")
    assert len(files(page)) == HITS_A_PAGE


def test_dates_that_end_before_they_begin_are_said_and_the_page_stays(
    found: Library, settings_file: Path
) -> None:
    page = visit(settings_file, since="2024-05-05", until="2024-05-01")
    assert "before it begins" in said(page)
    assert [each.value for each in page.expander[0].error] == []
    assert page.text_input(key="q").value in ("", None)


def test_examples_of_the_address_are_shown_and_their_own_images_are_not(
    found: Library, settings_file: Path
) -> None:
    like, unlike = (example_of(found.hit(name), "catalog").name for name in ("red03.png", "blue04.png"))
    page = visit(settings_file, q="red", like=like, unlike=unlike)
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
    page.query_params["hit"] = hit["id"]
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
    (example,) = component(page, "examples")["examples"]
    assert page.query_params["like"] == example["id"]
    assert "hit" not in page.query_params
    del page.query_params["like"]  # as the browser's Back does
    page.run()
    assert component(page, "examples") == {}


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


def test_a_catalog_that_was_moved_away_can_be_made_anew(
    found: Library, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(settings_file)

    def gone(*_: object, **__: object) -> object:
        raise CatalogUnavailableError("the store does not answer")

    def missing(*_: object) -> object:
        raise MissingInputError("there is no catalog")

    monkeypatch.setattr(found.catalog, "page", gone)
    monkeypatch.setattr(search_opening, "open_engine", missing)
    assert "does not answer" in said(page.run())
    assert page.run().button(key="make-catalog").label == "Make the catalog"


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


def test_an_upload_of_the_address_is_told_to_be_gone_and_what_is_left_of_the_search_is_answered(
    found: Library, settings_file: Path
) -> None:
    like = example_of(found.hit("red03.png"), "catalog").name
    page = visit(
        settings_file, like=[f"upload:{'0' * 64}:", like, "catalog:../../etc/passwd:", like + "00-0-9-9"]
    )
    assert "not there any more" in page.session_state[FAILED]
    assert page.query_params["like"] == like
    assert [each["told"] for each in component(page, "examples")["examples"]] == ["like red03.png"]


def test_an_upload_stays_while_the_visit_does(found: Library, settings_file: Path) -> None:
    page = visit(settings_file)
    page.file_uploader[0].set_value(("mine.png", coloured("green", 3), "image/png"))
    page.run()
    page.text_input(key="q").set_value("red").run()
    assert [each["told"] for each in component(page, "examples")["examples"]] == ["like mine.png"]
    press(page, "search-new")
    assert component(page, "examples") == {}
    assert "like" not in page.query_params


def test_an_example_that_has_left_the_catalog_is_said_and_can_be_left_out(
    found: Library, settings_file: Path
) -> None:
    hit = found.hit("red03.png")
    page = visit(settings_file, like=example_of(hit, "catalog").name)
    found.catalog.delete([hit.image_id])
    found.engine._vectors.clear()
    page.run()
    assert "is not in the catalog" in said(page)
    assert "There is no catalog" not in said(page)
    assert len(component(page, "examples")["examples"]) == 1


def test_a_store_that_cannot_say_what_it_has_leaves_the_form_and_its_filters(
    found: Library, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(settings_file, q="red", with_tags="red")

    def gone(*_: object, **__: object) -> object:
        raise CatalogUnavailableError("the store does not answer")

    monkeypatch.setattr(search_engine, "FACETS_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(found.catalog, "tags", gone)
        page.run()
        assert [each.value for each in page.error] == ["the store does not answer"]
        assert [each.value for each in page.expander[0].error] == []
        assert page.multiselect(key="with_tags").value == ["red"]
    assert colours(files(page.run())) == {"red"}


def test_words_that_find_nothing_and_are_a_tag_lead_to_what_has_it(
    found: Library, settings_file: Path
) -> None:
    image = found.catalog.get([found.hit("blue00.png").image_id])[0]
    assert image is not None
    found.catalog.upsert([replace(image, tags=("zebra crossing at dawn",))])
    page = visit(settings_file, q="Zebra crossing at dawn")
    assert "1 image has the tag **zebra crossing at dawn**" in said(page)
    press(page, "search-tag")
    assert files(page) == ["blue00.png"]
    assert page.text_input(key="q").value == ""
    assert page.query_params["with_tags"] == "zebra crossing at dawn"


def test_from_a_page_that_is_not_there_any_more_a_button_leads_back(
    found: Library, settings_file: Path
) -> None:
    page = visit(settings_file)
    press(press(page, "hits-after"), "hits-after")
    found.catalog.delete([hit.image_id for hit in map(found.hit, files(page))])
    page.run()
    assert files(page) == []
    press(page, "hits-before")
    assert len(files(page)) == HITS_A_PAGE


def test_what_is_asked_holds_no_more_examples_than_count(found: Library, settings_file: Path) -> None:
    names = [example_of(found.hit(f"red{number:02d}.png"), "catalog").name for number in range(20)]
    page = visit(settings_file, like=names, unlike=names[:3])
    assert [each["id"] for each in component(page, "examples")["examples"]] == [*names[12:], *names[:3]]


def test_an_image_that_is_not_on_the_page_of_hits_is_looked_at_alone(
    found: Library, settings_file: Path
) -> None:
    shown = visit(settings_file, with_tags="blue", hit=found.hit("red03.png").image_id)
    assert component(shown, "look")["name"] == "red03.png"
    assert shown.button(key="look-after").disabled


def test_an_image_that_is_not_there_is_not_looked_at(found: Library, settings_file: Path) -> None:
    for gone in ("0" * 32, "' OR 1=1", "../../etc/passwd"):
        page = visit(settings_file, hit=gone)
        assert len(files(page)) == HITS_A_PAGE
        assert "hit" not in page.query_params
