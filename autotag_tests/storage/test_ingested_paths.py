from pathlib import Path

import pytest

from autotag.domain.catalog_entries import INGESTED_KEY
from autotag.errors import SettingsError
from autotag.settings import Settings
from autotag.storage.file_names import ingested_name, ingested_tags_name
from autotag.storage.images import FORMATS
from autotag.storage.roots import layout_of

MEDIA = "ab" * 32


def test_pictures_of_the_catalog_lie_in_folders_or_among_the_ingested(
    settings: Settings, tmp_path: Path
) -> None:
    layout = layout_of(settings)
    assert layout.pictures("trips/2024").path == str(tmp_path / "data/target/trips/2024")
    assert layout.pictures(INGESTED_KEY).path == str(tmp_path / "data/ingested")


def test_ingested_images_lie_where_the_settings_say(settings_file: Path, tmp_path: Path) -> None:
    settings = Settings.load(settings_file, {"serve.ingested": "kept/here"})
    assert layout_of(settings).ingested.path == str(tmp_path / "kept/here")


def test_they_never_lie_among_the_folders_of_the_user(settings_file: Path) -> None:
    settings = Settings.load(settings_file, {"serve.ingested": "data/target/new"})
    with pytest.raises(SettingsError, match=r"\[serve\] ingested and target overlap"):
        layout_of(settings)


def test_files_are_called_by_content_and_kind_alone() -> None:
    names = {form: ingested_name(MEDIA, form) for form in FORMATS}
    assert names["JPEG"] == f"{MEDIA}.jpg"
    assert len({*names.values(), ingested_tags_name(MEDIA)}) == len(FORMATS) + 1
    assert all(name.startswith(f"{MEDIA}.") for name in names.values())
