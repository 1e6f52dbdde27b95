from pathlib import Path

import pytest

from autotag.cli.inputs import refuse_missing
from autotag.cli.session import Session
from autotag.errors import MissingInputError
from autotag_tests.conftest import Folders, picture


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


def test_a_folder_of_other_files_without_images_below_is_left_to_the_step(
    folders: Folders, settings_file: Path
) -> None:
    folders.make("trip/texts", {"notes.txt": b"x"})
    folders.make("trip", {"notes.txt": b"x"})
    look_at("trip", settings_file)
