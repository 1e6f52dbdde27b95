import json
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from autotag.errors import SettingsError
from autotag.settings import Settings, dagster_home
from autotag.storage.roots import layout_of


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "autotag.toml"


def test_without_a_file_the_defaults_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load()
    assert settings.file is None
    assert settings.base == tmp_path
    assert settings.models.detector == "starter"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[tagging]\nkk = 3\n", "tagging.kk"),
        ("[tagin]\nk = 3\n", "tagin"),
        ('[tagging]\nk = "many"\n', "tagging.k"),
        ("[regions]\nscore_threshold = 1.5\n", "regions.score_threshold"),
        ("[regions]\nscore_threshold = nan\n", "regions.score_threshold"),
        ("models = 3\n", "models"),
        ("[source]\nfirst_shard = 4\nlast_shard = 3\n", "source"),
        ('[index]\ndevice = "tpu"\n', "index.device"),
        ('profile = "mine"\n[profiles.mine.models]\nwings = 2\n', "models.wings"),
    ],
)
def test_a_wrong_key_type_or_value_names_the_key_and_the_file(file: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=rf"{file}: {key}\b"):
        Settings.load(write(file, text))


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(write(file, "[tagging]\nk = 0\nkk = 1\n"))
    assert "tagging.k:" in str(caught.value)
    assert "tagging.kk:" in str(caught.value)


def test_broken_toml_names_the_file_and_the_line(file: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{file}: not valid TOML.*line 2"):
        Settings.load(write(file, "[tagging]\nk = = 3\n"))


def test_a_byte_order_mark_is_no_error(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[tagging]\nk = 7\n")
    assert Settings.load(file).tagging.k == 7


def test_a_named_file_that_is_not_there_is_an_error_and_tells_who_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml.*--config"):
        Settings.load(tmp_path / "absent.toml")
    monkeypatch.setenv("AUTOTAG_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match=r"absent\.toml.*AUTOTAG_CONFIG"):
        Settings.load()


def test_the_file_is_found_by_variable_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "autotag.toml", "[tagging]\nk = 1\n")
    other = write(tmp_path / "other.toml", "[tagging]\nk = 2\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load().tagging.k == 1
    monkeypatch.setenv("AUTOTAG_CONFIG", str(other))
    assert Settings.load().tagging.k == 2


def test_the_files_own_keys_go_over_those_of_its_profile(file: Path) -> None:
    settings = Settings.load(write(file, 'profile = "gpu"\n[models]\ndetector = "whole"\n'))
    assert settings.profile == "gpu"
    assert settings.models.detector == "whole"
    assert settings.models.device == "cuda"
    assert settings.ray.gpus_per_actor == 1.0


def test_a_profile_of_ones_own_can_be_named_in_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, 'profile = "starter"\n[profiles.mine.tagging]\nk = 33\n')
    assert Settings.load(file).tagging.k == 10
    monkeypatch.setenv("AUTOTAG_PROFILE", "mine")
    assert Settings.load(file).tagging.k == 33
    assert Settings.load(file).profile == "mine"


def test_an_unknown_profile_is_an_error_that_lists_the_known_ones(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        SettingsError, match=rf"{file}: profile: 'nope' is not known; known are gpu, mine, starter"
    ):
        Settings.load(write(file, 'profile = "nope"\n[profiles.mine.models]\n'))
    with pytest.raises(SettingsError, match="profile: 3 is not known"):
        Settings.load(write(file, "profile = 3\n"))
    monkeypatch.setenv("AUTOTAG_PROFILE", "")
    with pytest.raises(SettingsError, match="AUTOTAG_PROFILE: '' is not known"):
        Settings.load(write(file, ""))


@pytest.mark.parametrize("text", ["profiles = 3\n", "[profiles]\nmine = 3\n"])
def test_a_profile_that_is_no_table_is_an_error(file: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="profiles: each profile is a table"):
        Settings.load(write(file, text))


def test_the_environment_goes_over_the_file_key_by_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, '[models]\ndetector = "whole"\ndevice = "cuda:1"\n')
    monkeypatch.setenv("AUTOTAG_MODELS__DETECTOR", "fake")
    monkeypatch.setenv("AUTOTAG_RAY__CPUS_PER_ACTOR", "0.5")
    settings = Settings.load(file)
    assert settings.models.detector == "fake"
    assert settings.models.device == "cuda:1"
    assert settings.ray.cpus_per_actor == 0.5


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUTOTAG_TAGGING__K", "many"),
        ("AUTOTAG_TAGGING__KK", "3"),
        ("AUTOTAG_TAGIN__K", "3"),
        ("AUTOTAG_TAGGING", "many"),
        ("autotag_tagging__k", "many"),
    ],
)
def test_a_wrong_variable_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"^{variable}: "):
        Settings.load(write(file, "[tagging]\nk = 3\n"))


def test_relative_paths_start_from_the_files_directory(file: Path, tmp_path: Path) -> None:
    layout = layout_of(
        Settings.load(write(file, '[paths]\ndata = "d"\ntarget = "../photos"\nreference = "/abs/ref"\n'))
    )
    assert str(layout.data) == str(tmp_path / "d")
    assert str(layout.source_shards) == str(tmp_path / "d" / "source" / "shards")
    assert str(layout.target) == str(tmp_path.parent / "photos")
    assert str(layout.reference) == "/abs/ref"
    assert layout.weights == tmp_path / "weights"


def test_a_home_directory_is_expanded(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    layout = layout_of(Settings.load(write(file, '[paths]\ndata = "~/d"\n')))
    assert str(layout.data) == str(tmp_path / "me" / "d")


def test_uris_stay_uris_and_networks_must_be_local(file: Path) -> None:
    layout = layout_of(Settings.load(write(file, '[paths]\ndata = "s3://bucket/a"\n')))
    assert str(layout.shard("00001")) == "s3://bucket/a/source/shards/00001.tar"
    with pytest.raises(SettingsError, match=r"paths\.weights.*local"):
        layout_of(Settings.load(write(file, '[paths]\nweights = "s3://bucket/w"\n')))


def test_settings_are_frozen_and_travel(file: Path) -> None:
    settings = Settings.load(write(file, "[tagging]\nk = 4\n"))
    with pytest.raises(ValidationError, match="frozen"):
        settings.profile = "gpu"
    with pytest.raises(ValidationError, match="frozen"):
        settings.tagging.k = 5
    copy = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    assert copy.base == settings.base


def test_recorded_settings_come_back_whatever_file_environment_and_directory_say_by_then(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(write(file, 'profile = "gpu"\n[paths]\ndata = "d"\n'))
    record = json.loads(json.dumps(settings.as_record()))
    file.unlink()
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("AUTOTAG_MODELS__DEVICE", "cuda:7")
    again = Settings.from_record(record)
    assert again == settings
    assert again.file == file
    assert layout_of(again) == layout_of(settings)
    assert again.changed_keys(settings) == []


def test_settings_without_a_file_keep_the_directory_they_were_read_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Settings.load().as_record()
    monkeypatch.chdir(tmp_path.parent)
    again = Settings.from_record(record)
    assert (again.file, again.base) == (None, tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"tagging": {"kk": 3}}}, r"tagging\.kk: Extra inputs"),
        ({"settings": 3}, "no record of settings"),
        ({"base": None}, "no record of settings"),
    ],
)
def test_a_record_with_other_keys_or_types_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Settings.from_record({**Settings().as_record(), **change})


def test_changed_keys_are_named_in_order(file: Path) -> None:
    before = Settings.load(write(file, ""))
    after = Settings.load(write(file, '[tagging]\nk = 3\n[models]\ndevice = "cuda"\n[index]\nprobes = 500\n'))
    assert after.changed_keys(before) == ["models.device", "tagging.k"]


def test_dagsters_home_lies_below_the_data_unless_that_is_no_local_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = Settings.load(write(file, ""))
    assert dagster_home(settings, "/data") == "/data/.dagster"
    assert dagster_home(settings, "s3://bucket/x") == str(file.parent / ".autotag" / ".dagster")
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert dagster_home(settings, "/data") == "/elsewhere"
