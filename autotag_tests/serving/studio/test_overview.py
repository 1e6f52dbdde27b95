import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.identity import folder_key
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.target_steps import process
from autotag_tests.review.folder_votes import write_vote

NAME = "_new_ :red[*x*]"


def folders_view(config: str, least: float) -> None:
    """What Streamlit runs: the folders alone."""
    from pathlib import Path

    from autotag.review.review_queue import Minimum
    from autotag.serving.studio.overview import overview
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    overview(Workbench.of(Settings.load(Path(config))), Minimum({"vote": least}, {}))


@pytest.fixture
def config(settings_file: Path, plan: PipelinePlan, folders: Folders) -> str:
    """Settings over one folder of two images; the vote gave one of them a bird of 0.6."""
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.simple(NAME, 2)
    key = folder_key(NAME)
    process(plan, key)
    images = [
        {"file": "p000.png", "tags": [{"tag": "bird", "score": 0.6, "votes": 4}]},
        {"file": "p001.png", "tags": [], "reason": "nothing is alike"},
    ]
    write_vote(plan, key, images)
    return str(settings_file)


def shown(config: str, least: float) -> AppTest:
    page = AppTest.from_function(folders_view, args=(config, least), default_timeout=60).run()
    assert not page.exception
    return page


def html(page: AppTest) -> Sequence[str]:
    return [each.proto.body for each in page.get("html")]


def test_tags_are_counted_from_the_threshold_on_that_the_page_believes_them(config: str) -> None:
    assert any("bird" in each for each in html(shown(config, 0.6)))
    assert not any("bird" in each for each in html(shown(config, 0.61)))


def test_a_folder_s_name_is_shown_as_it_is(config: str) -> None:
    told = [each.value for each in shown(config, 0.6).markdown]
    assert told == [r"**\_new\_ \:red\[\*x\*\]**"]


def test_a_name_that_is_no_utf_8_is_spelled_out(config: str, plan: PipelinePlan) -> None:
    folder = Path(plan.layout.target.path) / "caf\udce9"
    folder.mkdir()
    (folder / "a.png").touch()
    st.cache_data.clear()
    assert r"**caf\\xe9**" in [each.value for each in shown(config, 0.6).markdown]


def test_a_folder_without_a_typical_image_says_which_button_finds_it(config: str, plan: PipelinePlan) -> None:
    medoid = plan.layout.folder_tables(folder_key(NAME)).medoid
    for content in (None, "{", "[]", "{}"):
        if content is not None:
            medoid.write_text(content)
        assert any("press Medoid" in each for each in html(shown(config, 0.6)))
    medoid.write_text(json.dumps({"file": "p000.png", "media_id": "0" * 64}))
    assert any("press Thumbnails" in each for each in html(shown(config, 0.6)))
