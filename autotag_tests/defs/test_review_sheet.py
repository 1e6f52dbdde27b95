from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Folders
from autotag_tests.defs.test_runs import Room, materialised

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

ASSET = dg.AssetKey("review_sheet")


@pytest.fixture
def room(settings_file: Path) -> Iterator[Room]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target_folders", ["trip"])
        yield Room(settings_file, instance)


def test_the_asset_writes_a_sheet_that_names_its_run(
    room: Room, plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("trip", 3)
    list_target_images(plan, "trip")
    result = room.run("review_job", partition_key="trip", asset_selection=[ASSET])
    assert result.success
    facts = materialised(result, "review_sheet")["trip"]
    tables = plan.layout.folder_tables("trip")
    assert (facts["in"], facts["out"], facts["images with labels"]) == (3, 3, 0)
    assert facts["path"] == str(tables.review_sheet)
    text = tables.review_sheet.read_text(encoding="utf-8")
    assert text.count(f",{result.run_id},{plan.model_id}") == 3
    assert tables.review_export(result.run_id).is_file()


def test_a_folder_without_a_manifest_fails_with_a_sentence(room: Room, folders: Folders) -> None:
    folders.simple("trip", 1)
    result = room.run("review_job", partition_key="trip", asset_selection=[ASSET])
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "materialise target_images of trip first" in str(failure.step_failure_data)
