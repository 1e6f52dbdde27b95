from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.catalog_filters import CatalogFilter
from autotag.serving.studio.search_form import SUFFIXES, asked_now, folders_to_choose
from autotag.serving.studio.search_query import Asked, Example, Leaning
from autotag.storage.folder_files import IMAGE_SUFFIXES
from autotag_tests.conftest import Folders

ASKED: list[Asked] = []


def form(config: str) -> None:
    """What Streamlit runs: the form alone."""
    from pathlib import Path

    from autotag.serving.studio.search_form import asked_now, filters, words_and_place
    from autotag.serving.studio.search_query import Leaning
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings
    from autotag_tests.serving.studio.test_search_form import ASKED

    words, over, find = words_and_place()
    where = filters(Workbench.of(Settings.load(Path(config))), None, Leaning())
    ASKED.append(asked_now(words, over, find, where, Leaning()))


@pytest.fixture
def config(settings_file: Path, folders: Folders) -> str:
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.simple("2024/summer, at sea", 1)
    folders.simple("2024/autumn", 1)
    return str(settings_file)


def asked(config: str, **query: str | list[str]) -> Asked:
    page = AppTest.from_function(form, args=(config,), default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return ASKED[-1]


def test_all_that_is_asked_lies_in_the_address(config: str) -> None:
    found = asked(
        config,
        q="  a  dog ",
        find="objects",
        with_tags=["dog", "grass"],
        with_classes="cat",
        confidence="0.5",
        since="2024-01-02",
        until="2024-01-03",
        under="2024",
    )
    assert (found.words, found.over, found.find) == ("a dog", "catalog", "object")
    where = found.where
    assert (where.tags, where.classes, where.min_confidence) == (("dog", "grass"), ("cat",), 0.5)
    assert (where.folder, found.filters) == ("2024", 6)
    assert where.since is not None
    assert where.until is not None
    assert (where.since.isoformat(), where.until.isoformat()) == (
        "2024-01-02T00:00:00+00:00",
        "2024-01-04T00:00:00+00:00",
    )


@pytest.mark.parametrize("day", ["1898-07-01", "2009-02-28", "2098-12-31"])
def test_images_of_any_age_can_be_asked_for(config: str, day: str) -> None:
    where = asked(config, since=day, until=day).where
    assert where.since is not None
    assert where.since.date().isoformat() == day
    assert where.until is not None
    assert (where.until - where.since).days == 1


def test_nothing_is_asked_at_first(config: str) -> None:
    assert asked(config) == Asked()


def test_a_folder_that_is_not_there_is_none(config: str) -> None:
    assert asked(config, under="../../etc").where.folder == ""


def test_the_archive_is_asked_without_filters(config: str) -> None:
    assert asked(config, over="the archive", with_tags="dog").where == CatalogFilter()
    example = Example("catalog", "i", "f", "a.jpg", "m")
    assert asked_now("", "catalog", "any", CatalogFilter("x"), Leaning((example,))).where.folder == "x"


def test_folders_above_others_can_be_chosen() -> None:
    keys = ["2024/summer%2C at sea", "2024/autumn/late"]
    assert folders_to_choose(keys) == ["2024", "2024/autumn", "2024/autumn/late", "2024/summer%2C at sea"]
    assert folders_to_choose([]) == []


def test_the_browser_offers_files_that_can_be_read() -> None:
    assert {f".{suffix}" for suffix in SUFFIXES} <= IMAGE_SUFFIXES
