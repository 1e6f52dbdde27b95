from pathlib import Path

import pytest

from autotag.cli.inputs import refuse_missing
from autotag.cli.plain import open_session
from autotag.cli.session import Session
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.pipeline import threshold_steps


def look_at(folder: str, settings_file: Path) -> None:
    refuse_missing(Session.open(settings_file), ["target_images"], [folder])


@pytest.mark.parametrize("stray", ["Thumbs.db", "notes.txt"])
def test_files_that_are_no_images_by_name_do_not_hide_the_images_of_folders_below(
    folders: Folders, settings_file: Path, stray: str
) -> None:
    folders.simple("trip/day 1", 1)
    folders.make("trip", {stray: picture(1)})  # by name alone: nobody reads it
    with pytest.raises(MissingInputError, match=r"has no images of its own.*'trip/day 1'"):
        look_at("trip", settings_file)


@pytest.mark.parametrize("name", ["broken.JPG", "unnamed"])
def test_a_file_that_may_be_an_image_by_name_is_left_to_the_step(
    folders: Folders, settings_file: Path, name: str
) -> None:
    folders.simple("trip/day 1", 1)
    folders.make("trip", {"Thumbs.db": b"x", name: b"no picture"})
    look_at("trip", settings_file)


@pytest.mark.parametrize("assets", [["folder_tags"], ["label_scores"]])
def test_thresholds_that_are_asked_for_and_not_fitted_are_told_before_anything_is_made(
    settings_file: Path, plan: PipelinePlan, archive: Archive, folders: Folders, assets: list[str]
) -> None:
    threshold_steps.odd_archive(plan, archive)
    settings = threshold_steps.asking(settings_file)
    settings_file.with_name("labels.txt").write_text("red\n")
    folders.simple("trip", 1)
    session = Session.open(settings_file)
    made = ["target_images", "target_crops", "target_embeddings", *assets]
    with pytest.raises(
        MissingInputError,
        match=r"never fitted.*`autotag thresholds --precision 0\.8` with --config .*autotag\.toml",
    ):
        refuse_missing(session, made, ["trip"])
    threshold_steps.fit(plan, settings)
    refuse_missing(session, made, ["trip"])


def test_a_plain_directory_has_no_archive_to_fit_thresholds_to(settings_file: Path, folders: Folders) -> None:
    threshold_steps.asking(settings_file)
    settings_file.with_name("labels.txt").write_text("red\n")
    pictures = folders.simple("trip", 1)
    session = open_session(pictures, None, settings_file)
    with pytest.raises(MissingInputError, match=r"fitted to an archive.*set it to 0 for a plain directory"):
        refuse_missing(session, ["label_scores"], ())


def test_a_folder_of_other_files_without_images_below_is_left_to_the_step(
    folders: Folders, settings_file: Path
) -> None:
    folders.make("trip/texts", {"notes.txt": b"x"})
    folders.make("trip", {"notes.txt": b"x"})
    look_at("trip", settings_file)
