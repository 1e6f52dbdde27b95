"""The view of what no tag explains, as Streamlit itself runs it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.domain.ledger_entries import Standing
from autotag.domain.unexplained import DiscoveryCounts
from autotag.pipeline.discovered_clusters import (
    TABLE,
    Cluster,
    ClusterMember,
    ClusterWord,
    clusters_path,
    write_clusters,
)
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.serving.studio.new_tags import EVERYWHERE
from autotag.settings import Settings
from autotag.storage.tables import Stamp, read_table
from autotag_tests.conftest import Folders

FOLDER = "trip"
HOSTILE = '<img src=x onerror="alert(1)">'
Shown = Callable[[], AppTest]


def new_tags_view(config: str, folder: str) -> None:
    """What Streamlit runs: the view alone."""
    from pathlib import Path

    from autotag.review.review_queue import Minimum
    from autotag.serving.studio.new_tags import new_tags
    from autotag.serving.studio.sidebar import Choices
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    new_tags(Workbench.of(Settings.load(Path(config))), Choices(folder, Minimum({}, {}), 100, {}))


@pytest.fixture
def media(plan: PipelinePlan, folders: Folders) -> list[str]:
    """Media ids of a folder's six images."""
    folders.simple(FOLDER, 6)
    list_target_images(plan, FOLDER)
    return read_table(plan.layout.folder_tables(FOLDER).images)["media_id"].to_pylist()


@pytest.fixture
def shown(settings_file: Path, media: list[str]) -> Shown:
    """Shows the view, each time as another visit."""
    st.cache_resource.clear()
    st.cache_data.clear()
    assert media

    def visit() -> AppTest:
        page = AppTest.from_function(new_tags_view, args=(str(settings_file), FOLDER), default_timeout=60)
        return checked(page.run())

    return visit


@pytest.fixture
def clusters(plan: PipelinePlan, media: list[str]) -> None:
    """Two clusters of three images; the words of the second are a stranger's."""
    found = [
        Cluster(name, 0.9, (ClusterWord(word, 0.5, "vocabulary"),), members(media, first))
        for name, word, first in (("aaaa0001", "heron", 0), ("bbbb0002", HOSTILE, 3))
    ]
    path = clusters_path(plan.layout, FOLDER)
    write_clusters(path, found, Stamp(TABLE, plan.model_id), DiscoveryCounts())


def members(media: list[str], first: int) -> tuple[ClusterMember, ...]:
    return tuple(
        ClusterMember(FOLDER, f"p{number:03d}.png", media[number], 1, (0, 0, 16, 16))
        for number in range(first, first + 3)
    )


def checked(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def html(page: AppTest) -> str:
    return "".join(each.proto.body for each in page.get("html"))


def name(page: AppTest, cluster: str, tag: str) -> AppTest:
    checked(page.selectbox(key=f"name-{cluster}").set_value(tag).run())
    return checked(page.button(key=f"accept-{cluster}").click().run())


def approved(settings: Settings, plan: PipelinePlan, media: list[str]) -> list[list[str]]:
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        return [
            [each.tag for each in tags if each.standing is Standing.APPROVED]
            for tags in ledger.effective(media).values()
        ]


def test_where_nobody_has_looked_the_view_says_what_to_press(shown: Shown) -> None:
    told = shown().info[0].value
    assert "Find new tags" in told
    assert "all folders" not in told, "nobody has looked there either"


def test_where_all_folders_were_looked_through_together_a_folder_names_that_view_and_the_other_way_round(
    shown: Shown, plan: PipelinePlan
) -> None:
    write_clusters(clusters_path(plan.layout, None), [], Stamp(TABLE, plan.model_id), DiscoveryCounts())
    assert "What was found before is under **all folders**" in shown().info[0].value
    clusters_path(plan.layout, None).unlink()
    write_clusters(clusters_path(plan.layout, FOLDER), [], Stamp(TABLE, plan.model_id), DiscoveryCounts())
    page = shown()
    checked(page.segmented_control(key="scope").set_value(EVERYWHERE).run())
    assert "What was found before is under **this folder**" in page.info[0].value


def test_who_has_embedded_is_not_told_to_embed(shown: Shown, plan: PipelinePlan) -> None:
    assert "press *Embed* in the sidebar, then *Find new tags*" in shown().info[0].value
    embeddings = plan.layout.folder_tables(FOLDER).embeddings
    embeddings.parent.mkdir()
    embeddings.touch()
    assert "yet: press *Find new tags* in the sidebar" in shown().info[0].value
    page = shown()
    checked(page.segmented_control(key="scope").set_value(EVERYWHERE).run())
    assert "yet: press *Look through all folders*" in page.info[0].value


def test_a_look_that_found_nothing_says_what_became_of_the_regions(shown: Shown, plan: PipelinePlan) -> None:
    counts = DiscoveryCounts(taken=9, explained=7, alone=2)
    write_clusters(clusters_path(plan.layout, FOLDER), [], Stamp(TABLE, plan.model_id), counts)
    page = shown()
    assert "of 9 regions 7 are explained" in page.success[0].value
    assert not any("clusters wait" in each.value for each in page.caption)


@pytest.mark.usefixtures("clusters")
def test_each_cluster_has_its_pictures_its_words_and_no_html_of_strangers(shown: Shown) -> None:
    page = shown()
    assert html(page).count('src="data:image/jpeg;base64,') == 6
    assert "heron" in html(page)
    assert HOSTILE not in html(page)
    assert "&lt;img" in html(page)
    assert page.button(key="accept-aaaa0001").disabled


@pytest.mark.usefixtures("clusters")
def test_a_name_is_added_to_all_images_of_the_cluster_and_undo_takes_it_back(
    shown: Shown, settings: Settings, plan: PipelinePlan, media: list[str]
) -> None:
    page = name(shown(), "aaaa0001", "heron")
    assert approved(settings, plan, media) == [["heron"]] * 3 + [[]] * 3
    assert "accept-aaaa0001" not in [each.key for each in shown().button]
    checked(page.button(key="undo").click().run())
    assert approved(settings, plan, media) == [[]] * 6
    assert "accept-aaaa0001" in [each.key for each in shown().button]


@pytest.mark.usefixtures("clusters")
def test_what_was_dismissed_stays_away_until_it_is_asked_for(
    shown: Shown, settings: Settings, plan: PipelinePlan, media: list[str]
) -> None:
    checked(shown().button(key="dismiss-aaaa0001").click().run())
    later = shown()
    assert "accept-aaaa0001" not in [each.key for each in later.button]
    checked(later.button(key="again-aaaa0001").click().run())
    assert "accept-aaaa0001" in [each.key for each in shown().button]
    assert approved(settings, plan, media) == [[]] * 6
