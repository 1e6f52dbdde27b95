"""Values that a command line lays over the settings file and the environment."""

from pathlib import Path

import pytest

from autotag.errors import SettingsError
from autotag.settings import Settings


def test_an_override_wins_over_environment_and_file(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text("[labels]\ntopk = 3\nthreshold = 0.1\n[tagging]\nk = 4\n")
    monkeypatch.setenv("AUTOTAG_LABELS__TOPK", "4")
    settings = Settings.load(settings_file, {"labels.topk": 7, "paths.data": "elsewhere"})
    assert (settings.labels.topk, settings.labels.threshold, settings.tagging.k) == (7, 0.1, 4)
    assert (settings.paths.data, settings.base, settings.file) == (
        "elsewhere",
        settings_file.parent,
        settings_file,
    )


def test_overrides_are_part_of_the_record(settings_file: Path) -> None:
    settings = Settings.load(settings_file, {"labels.threshold": 0.5})
    assert Settings.from_record(settings.as_record()) == settings
    assert settings.changed_keys(Settings.load(settings_file)) == ["labels.threshold"]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("labels.topk", 0, r"labels\.topk: .*greater than or equal to 1 \(got 0\)"),
        ("labels.topk", "many", r"labels\.topk: .*integer"),
        ("labels.topkk", 1, r"labels\.topkk: no such key; did you mean topk"),
        ("lables.topk", 1, r"lables: no such key; did you mean labels"),
        ("labels", {}, "labels: no such key of a section"),
        ("profile", "gpu", "profile: no such key of a section"),
        ("profile.name", "gpu", r"profile\.name: no such key of a section"),
    ],
)
def test_a_wrong_override_is_named(settings_file: Path, key: str, value: object, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Settings.load(settings_file, {key: value})
