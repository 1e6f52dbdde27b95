"""Images, tables and settings that the target steps cannot use: rejects and sentences."""

import shutil
from pathlib import Path

import pytest

from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.models.fakes import magic_image
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders, encoded
from autotag_tests.pipeline.target_steps import crops, embeddings, process


def rejects(plan: PipelinePlan, key: str, step: str) -> dict[str, str]:
    tables = plan.layout.folder_tables(key)
    path = tables.region_rejects if step == "crops" else tables.embedding_rejects
    return {row["key"]: row["stage"] for row in read_table(path).to_pylist()}


@pytest.mark.parametrize("step", ["detect", "embed"])
def test_an_image_a_model_fails_on_is_a_reject(plan: PipelinePlan, folders: Folders, step: str) -> None:
    folders.simple("f", 5)
    folders.make("f", {"bad.png": encoded(magic_image(f"{step}_error"))})  # type: ignore[arg-type]
    made = process(plan, "f")
    in_step = "crops" if step == "detect" else "embeddings"
    assert rejects(plan, "f", in_step) == {"bad.png": step}
    assert (made.crops.rejected, made.embeddings.rejected) == ((1, 0) if step == "detect" else (0, 1))


def test_a_file_that_goes_between_manifest_and_crops_is_a_reject(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    (path / "p002.png").unlink()
    counts = crops(plan, "f")
    assert (counts.taken, counts.made, counts.rejected) == (5, 4, 1)
    assert rejects(plan, "f", "crops") == {"p002.png": "read"}


def test_a_file_that_goes_between_crops_and_embeddings_is_a_reject(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    crops(plan, "f")
    (path / "p002.png").unlink()
    counts = embeddings(plan, "f")
    assert (counts.taken, counts.made, counts.rejected) == (5, 4, 1)
    assert rejects(plan, "f", "embeddings") == {"p002.png": "read"}


def test_a_folder_deleted_midway_fails_in_words(plan: PipelinePlan, folders: Folders) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    shutil.rmtree(path)
    with pytest.raises(PermanentError, match="removed while it was being processed"):
        crops(plan, "f")
    with pytest.raises(MissingInputError, match="is not there"):
        list_target_images(plan, "f")


def test_missing_upstream_tables_name_what_to_do(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 1)
    with pytest.raises(MissingInputError, match="materialise target_images of f first"):
        crops(plan, "f")
    list_target_images(plan, "f")
    with pytest.raises(MissingInputError, match="materialise target_crops of f first"):
        embeddings(plan, "f")


def test_regions_of_an_earlier_state_of_the_folder_are_refused(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    folders.simple("f", 3)
    list_target_images(plan, "f")
    with pytest.raises(
        MissingInputError, match=r"earlier state of the folder; materialise target_crops of f again"
    ):
        embeddings(plan, "f")


def test_regions_of_another_detector_are_refused(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    settings_file.write_text(settings_file.read_text().replace('detector = "fake"', 'detector = "whole"'))
    with pytest.raises(ModelMismatchError, match="materialise target_crops of f again"):
        embeddings(plan_of(Settings.load(settings_file)), "f")
