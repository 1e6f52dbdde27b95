"""What is said of a wrong key or type in the settings file."""

from pathlib import Path

import pytest

from autotag.errors import SettingsError
from autotag.settings import Settings


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "autotag.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Settings.load(file)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("[source]\nlast_shards = 3\n", "did you mean last_shard?"),
        ("[taging]\nk = 3\n", "did you mean tagging?"),
    ],
)
def test_a_key_that_is_nearly_one_is_told_which(tmp_path: Path, text: str, near: str) -> None:
    assert near in refused(tmp_path, text)


def test_a_key_like_none_is_only_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, "[source]\nzzz = 3\n")
    assert "source.zzz: no such key (got 3)" in told


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[source]\nlast_shard = "2"\n', "source.last_shard"),
        ("[source]\nlast_shard = 2.0\n", "source.last_shard"),
        ('[models]\nhalf = "yes"\n', "models.half"),
        ("[models]\ndevice = 0\n", "models.device"),
        ('[tagging]\nthreshold = "0.5"\n', "tagging.threshold"),
    ],
)
def test_a_value_of_another_type_is_refused_in_the_file(tmp_path: Path, text: str, key: str) -> None:
    assert f"autotag.toml: {key}: " in refused(tmp_path, text)


def test_an_integer_is_a_number_and_text_is_one_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "autotag.toml"
    file.write_text("[tagging]\nthreshold = 1\n[source]\nfirst_shard = 5\n", encoding="utf-8")
    monkeypatch.setenv("AUTOTAG_SOURCE__LAST_SHARD", "7")
    monkeypatch.setenv("AUTOTAG_MODELS__HALF", "true")
    settings = Settings.load(file)
    assert (settings.source.last_shard, settings.models.half, settings.tagging.threshold) == (7, True, 1.0)
