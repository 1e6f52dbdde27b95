"""The cards of the grid, as Streamlit itself runs them."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.identity import folder_key
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.studio.chips import picture_html
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders

FOLDER = "trip"
COUNT = 13


def grid(config: str, folder: str) -> None:
    """What Streamlit runs: the grid alone."""
    from pathlib import Path

    from autotag.review.review_queue import Minimum
    from autotag.serving.studio.review import review
    from autotag.serving.studio.sidebar import Choices
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    bench = Workbench.of(Settings.load(Path(config)))
    review(bench, Choices(folder, Minimum({}, {}), 100, {}), bench.view(folder))


@pytest.fixture
def media(plan: PipelinePlan, folders: Folders) -> list[str]:
    """Media ids of a folder without thumbnails."""
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.simple(FOLDER, COUNT)
    list_target_images(plan, FOLDER)
    return read_table(plan.layout.folder_tables(FOLDER).images)["media_id"].to_pylist()


def shown(config: Path, folder: str = FOLDER) -> AppTest:
    page = AppTest.from_function(grid, args=(str(config), folder), default_timeout=60)
    page.query_params["grouped"], page.query_params["order"] = "false", "by name"
    page.run()
    assert not page.exception
    return page


def faces(page: AppTest) -> list[str]:
    return [each.proto.body for each in page.get("html")]


def test_a_page_has_twelve_cards_each_of_one_face_one_editor_and_three_buttons(
    settings_file: Path, media: list[str]
) -> None:
    page = shown(settings_file)
    assert len(media) == COUNT
    assert len(faces(page)) == len(page.multiselect) == 12
    assert sum(str(each.key).startswith(("yes-", "no-", "look-")) for each in page.button) == 36


def test_a_face_has_the_thumbnail_s_address_or_says_that_there_is_none(
    settings_file: Path, settings: Settings, plan: PipelinePlan, media: list[str]
) -> None:
    tables = plan.layout.folder_tables(FOLDER)
    thumbnail = Path(tables.thumbnail(media[0], settings.review.thumbnail_px).path)
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"a jpeg")
    first, second, *_ = faces(shown(settings_file))
    assert '<img class="thumb" src="mock/media/' in first
    assert 'src="/' not in first, "an address from the server's root is wrong below another path"
    assert "no thumbnail yet" in second


def test_a_folder_whose_name_is_no_utf_8_has_its_cards_and_pictures(
    settings_file: Path, settings: Settings, plan: PipelinePlan, folders: Folders
) -> None:
    st.cache_resource.clear()
    key = folder_key("caf\udce9")
    folders.simple("caf\udce9", 1)
    list_target_images(plan, key)
    tables = plan.layout.folder_tables(key)
    (media_id,) = read_table(tables.images)["media_id"].to_pylist()
    thumbnail = Path(tables.thumbnail(media_id, settings.review.thumbnail_px).path)
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"a jpeg")
    (face,) = faces(shown(settings_file, key))
    assert '<img class="thumb" src="mock/media/' in face


def test_a_name_of_a_stranger_is_no_html_beside_its_picture() -> None:
    html = picture_html("media/a.jpg", '"><script>.jpg')
    assert "<script>" not in html
    assert html.count('"') == 6
