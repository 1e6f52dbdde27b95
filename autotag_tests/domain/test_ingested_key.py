"""The key under which ingested images are catalogued belongs to no folder, however a folder is named or found."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autotag.cli.session import Session
from autotag.domain.catalog_entries import INGESTED_KEY
from autotag.domain.catalog_filters import is_below
from autotag.domain.identity import folder_key, folder_path
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.storage.roots import layout_of
from autotag_tests.conftest import Folders

NAMES_LIKE_IT = [".ingested", "./.ingested", ".ingested/", "%2Eingested", ".ingested\n", ".Ingested"]


@given(st.text() | st.sampled_from(NAMES_LIKE_IT))
@example(INGESTED_KEY)
def test_no_path_has_the_key_and_every_path_comes_back(path: str) -> None:
    assert folder_key(path) != INGESTED_KEY
    assert folder_path(folder_key(path)) == path


@pytest.mark.parametrize("name", NAMES_LIKE_IT[:4])
def test_no_folder_that_the_command_line_names_has_it(
    settings_file: Path, name: str, folders: Folders
) -> None:
    folders.simple(".ingested", 1)
    assert Session.open(settings_file).folder_key(name) != INGESTED_KEY


@pytest.mark.parametrize("only", ["", ".ingested"])
def test_no_folder_that_is_found_has_it(
    settings_file: Path, folders: Folders, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.simple(".ingested", 1)
    folders.simple("ingested", 1)
    monkeypatch.setenv("AUTOTAG_TARGET__ONLY", only)
    session = Session.open(settings_file)
    keys = [folder_key(path) for path in target_folder_paths(layout_of(session.settings))]
    assert keys
    assert INGESTED_KEY not in keys


def test_a_plain_directory_of_that_name_has_another_key(settings_file: Path, tmp_path: Path) -> None:
    root = tmp_path / ".ingested"
    root.mkdir()
    session = Session.open(settings_file, {"paths.target": str(tmp_path), "target.only": ".ingested"}, root)
    assert session.folder_key(".") == "%2Eingested"


def test_a_filter_by_its_path_finds_ingested_images() -> None:
    assert is_below(INGESTED_KEY, ".ingested")
    assert not is_below(INGESTED_KEY, "ingested")
