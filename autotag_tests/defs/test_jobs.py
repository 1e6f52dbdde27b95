"""Which assets a job has, by what it must get through without."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, Folders
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.test_runs import Room, materialised

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]


@pytest.fixture
def room(settings_file: Path) -> Iterator[Room]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Room(settings_file, instance)


def test_a_folder_is_made_ready_for_review_without_an_archive(
    room: Room, folders: Folders, settings_file: Path, plan: PipelinePlan
) -> None:
    folders.simple("trip", 4)
    settings_file.with_name("labels.txt").write_text("red\nblue\n")
    room.instance.add_dynamic_partitions("target_folders", ["trip"])
    result = room.run("review_job", partition_key="trip")
    assert result.success
    made = {"target_images", "thumbnails", "label_scores", "tag_proposals", "review_sheet", "tag_discovery"}
    assert all(materialised(result, asset) for asset in made)
    assert plan.layout.folder_tables("trip").review_sheet.is_file()


def test_a_tagged_folder_is_made_ready_for_review_without_labels(
    settings_file: Path, archive: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    folders.simple("trip", 4)
    with indexed_room(settings_file, archive) as room:
        assert room.tag_folder("trip").success
        result = room.run("review_job", partition_key="trip")
        assert result.success
        made = {"tag_proposals", "review_sheet", "tag_discovery"}
        assert all(materialised(result, asset) for asset in made)
