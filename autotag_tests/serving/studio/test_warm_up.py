from pathlib import Path

import pytest
import streamlit as st

from autotag.errors import AutotagError, MissingInputError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.review_queue import Minimum, Wanted
from autotag.serving.studio import warm_up, workbench
from autotag.serving.studio.beginning import own_minimums
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.conftest import Folders


@pytest.fixture(autouse=True)
def cold() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()


def test_after_warming_up_the_page_reads_nothing_of_its_first_folder_again(
    settings_file: Path, plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.simple("trip", 3)
    list_target_images(plan, "trip")
    read: list[str] = []
    for name in ("read_folder_view", "queue", "tag_counts"):
        monkeypatch.setattr(workbench, name, counted(getattr(workbench, name), name, read))
    warm_up.warm(settings_file)
    assert sorted(read) == ["queue", "read_folder_view", "tag_counts"]
    settings = Settings.load(settings_file)
    bench, minimum = Workbench.of(settings), Minimum(own_minimums(settings), {})
    view = bench.view(bench.folders()[0])
    live = bench.live(view)
    bench.facts(view, live, minimum)
    assert len(bench.cards(view, live, Wanted(), minimum)) == len({int(group) for group in view.groups})
    assert len(read) == 3


def counted(function, name: str, calls: list[str]):
    """The function, noting that it was called."""

    def call(*arguments):
        calls.append(name)
        return function(*arguments)

    return call


def test_a_folder_that_nobody_has_looked_at_is_left_to_the_page_to_tell(
    settings_file: Path, folders: Folders
) -> None:
    folders.simple("trip", 1)
    with pytest.raises(MissingInputError):
        warm_up.warm(settings_file)
    assert issubclass(MissingInputError, AutotagError)


def test_a_server_without_folders_is_warm_at_once(settings_file: Path) -> None:
    (settings_file.parent / "data" / "target").mkdir(parents=True)
    warm_up.warm(settings_file)
