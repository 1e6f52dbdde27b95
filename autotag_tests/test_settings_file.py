"""The settings file of the repository: every key there is, each with the default that the code has."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from autotag.settings import Settings

FILE = Path(__file__).parents[1] / "autotag.toml"
COMMENTED = re.compile(r"^#\s*(?=[\w.]+\s*=|\[)", re.MULTILINE)
"""What hides a key or a table; sentences are left."""


def uncommented(text: str) -> str:
    return COMMENTED.sub("", text)


def with_types(values: dict[str, Any]) -> dict[str, Any]:
    """By key like `tagging.k`: value and type, since 15 and 15.0 are equal."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": below for key, below in with_types(value).items()}
        else:
            flat[name] = (value, type(value))
    return flat


def test_every_key_is_there_with_its_default_and_no_other() -> None:
    told = tomllib.loads(uncommented(FILE.read_text(encoding="utf-8")))
    assert list(told.pop("profiles")) == ["mine"]
    assert with_types(told) == with_types(Settings().model_dump())


def test_keys_stand_in_the_order_of_the_code() -> None:
    told = tomllib.loads(uncommented(FILE.read_text(encoding="utf-8")))
    del told["profiles"]
    assert list(with_types(told)) == list(with_types(Settings().model_dump()))


def test_as_it_is_the_file_changes_nothing() -> None:
    assert Settings.load(FILE).model_dump() == Settings().model_dump()


def test_its_example_of_a_profile_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, mark, example = FILE.read_text(encoding="utf-8").partition("# [profiles.mine]")
    file = tmp_path / "autotag.toml"
    file.write_text(settings + uncommented(mark + example), encoding="utf-8")
    monkeypatch.setenv("AUTOTAG_PROFILE", "mine")
    models = Settings.load(file).models
    default = Settings().models
    assert models.detector != default.detector
    assert models.embedder != default.embedder
