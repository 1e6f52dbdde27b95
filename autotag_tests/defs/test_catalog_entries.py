"""Folders through the whole job into a real catalog, and out of it again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.catalog.open import open_catalog
from autotag.catalog.protocol import Catalog
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.retired_folders import gone_folders, retired_folder_sensor
from autotag.models.fakes import DIM
from autotag.pipeline.forget_folders import forget_folders
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.test_runs import Room, checked, materialised

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]

CHECK = "catalog_entries.holds_exactly_the_folder"


@pytest.fixture
def room(settings_file: Path, archive: Archive, folders: Folders) -> Iterator[Room]:
    """Two tagged folders, one inside the other."""
    folders.simple("trip", 4)
    folders.simple("trip/deeper", 3)
    with indexed_room(settings_file, archive) as opened:
        assert opened.tag_folder("trip").success
        assert opened.tag_folder("trip/deeper").success
        yield opened


@pytest.fixture
def catalog(settings: Settings, plan: PipelinePlan, room: Room) -> Catalog:
    """What a reader sees."""
    return open_catalog(settings, plan.layout, plan.model_id, DIM, create=False)


def files(catalog: Catalog, key: str) -> list[str]:
    """Of a folder, as the catalog is now."""
    return sorted(each.file for each in catalog.get(list(catalog.ids_in(key))) if each)


def sensed(room: Room, settings_file: Path) -> dg.RunRequest | dg.SkipReason:
    runtime = AutotagRuntime(config=str(settings_file))
    with dg.build_sensor_context(room.instance, resources={"runtime": runtime}) as context:
        told = retired_folder_sensor(context)
    assert isinstance(told, dg.RunRequest | dg.SkipReason)
    return told


def retire(room: Room, plan: PipelinePlan, key: str) -> None:
    shutil.rmtree(plan.layout.folder(key).path)
    room.instance.delete_dynamic_partition("target_folders", key)


def test_a_tagged_folder_is_in_the_catalog_with_its_tags_and_the_check_says_so(
    room: Room, catalog: Catalog, folders: Folders
) -> None:
    assert files(catalog, "trip") == ["p000.png", "p001.png", "p002.png", "p003.png"]
    assert all(image and image.tags and image.objects for image in catalog.get(list(catalog.ids_in("trip"))))
    (folders.data / "target" / "trip" / "p000.png").unlink()
    folders.make("trip", {"new.png": picture(9)})
    result = room.run("process_target_job", partition_key="trip")
    assert result.success
    facts = materialised(result, "catalog_entries")["trip"]
    assert (facts["in"], facts["out"], facts["new"], facts["removed"]) == (4, 4, 1, 1)
    assert (facts["tags from"], facts["images in the catalog"]) == ("ledger", 7)
    assert checked(result)[CHECK].passed
    assert files(catalog, "trip") == ["new.png", "p001.png", "p002.png", "p003.png"]
    assert len(files(catalog, "trip/deeper")) == 3


def test_a_catalog_that_lost_an_image_fails_the_check(
    room: Room, catalog: Catalog, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.catalog.lance.catalog import LanceCatalog

    monkeypatch.setattr(LanceCatalog, "optimise", lambda self: self.delete(list(self.ids_in("trip"))[:1]))
    result = room.run("process_target_job", partition_key="trip")
    evaluation = checked(result)[CHECK]
    assert not evaluation.passed
    assert "1 embedded images are not in the catalog" in str(evaluation.metadata["what is wrong"].value)


def test_a_retired_folder_leaves_the_catalog_once_and_the_one_that_came_back_leaves_again(
    room: Room, catalog: Catalog, plan: PipelinePlan, settings_file: Path, folders: Folders
) -> None:
    assert isinstance(sensed(room, settings_file), dg.SkipReason)
    for _ in range(2):
        retire(room, plan, "trip/deeper")
        asked = sensed(room, settings_file)
        assert isinstance(asked, dg.RunRequest)
        assert room.run("forget_retired_job", tags=asked.tags).success
        assert files(catalog, "trip/deeper") == []
        assert len(files(catalog, "trip")) == 4
        assert isinstance(sensed(room, settings_file), dg.SkipReason)
        folders.simple("trip/deeper", 3)
        assert room.tag_folder("trip/deeper").success
        assert len(files(catalog, "trip/deeper")) == 3
        assert isinstance(sensed(room, settings_file), dg.SkipReason)


def test_a_drive_that_is_not_mounted_retires_nothing(
    room: Room, catalog: Catalog, plan: PipelinePlan, settings_file: Path
) -> None:
    room.instance.delete_dynamic_partition("target_folders", "trip")
    target = Path(plan.layout.target.path)
    target.rename(target.with_name("away"))
    assert gone_folders(room.instance, plan.layout) == {}
    assert isinstance(sensed(room, settings_file), dg.SkipReason)


def test_a_folder_that_is_no_partition_but_lies_there_stays(
    room: Room, catalog: Catalog, plan: PipelinePlan
) -> None:
    room.instance.delete_dynamic_partition("target_folders", "trip")
    assert gone_folders(room.instance, plan.layout) == {}


def test_forgetting_where_there_is_no_catalog_finds_nothing(plan: PipelinePlan, settings: Settings) -> None:
    assert forget_folders(plan, ["trip"], settings) == {"trip": 0}
    assert forget_folders(plan, [], settings) == {}
    assert not Path(plan.layout.catalog.path).exists()
