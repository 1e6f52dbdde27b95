import getpass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from autotag.errors import SettingsError
from autotag.review.ledger.place import has_place, ledger_url, reviewer_name
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.roots import layout_of


def settings_with(directory: Path, toml: str) -> Settings:
    path = directory / "autotag.toml"
    path.write_text(toml, encoding="utf-8")
    return Settings.load(path)


def url_with(directory: Path, toml: str) -> str:
    settings = settings_with(directory, toml)
    return ledger_url(settings, layout_of(settings))


def test_without_a_setting_the_ledger_lies_in_the_data_root(tmp_path: Path) -> None:
    assert make_url(url_with(tmp_path, "")).database == str(tmp_path / "data" / "ledger.sqlite")


def test_a_data_root_with_signs_of_urls_in_its_name_is_the_same_place(tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d%20é;"
    odd.mkdir()
    TagLedger.open(url_with(odd, "")).close()
    assert (odd / "data" / "ledger.sqlite").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]


def test_a_relative_path_starts_from_the_settings_file(tmp_path: Path) -> None:
    url = url_with(tmp_path, '[review]\nledger = "sqlite:///team/ledger.sqlite"')
    assert make_url(url).database == str(tmp_path / "team" / "ledger.sqlite")


def test_on_an_object_store_there_is_a_place_only_where_one_is_named(tmp_path: Path) -> None:
    store = '[paths]\ndata = "s3://bucket/d"\n'
    for toml, has in (("", True), (store, False), (f'{store}[review]\nledger = "sqlite:///x"', True)):
        settings = settings_with(tmp_path, toml)
        assert has_place(settings, layout_of(settings)) is has


def test_a_postgres_url_is_passed_on_with_its_password(tmp_path: Path) -> None:
    named = "postgresql+psycopg://ann:secret@db/ledger"
    assert url_with(tmp_path, f'[review]\nledger = "{named}"') == named


@pytest.mark.parametrize("named", ["ledger.sqlite", "mysql://ann@db/ledger", "s3://bucket/ledger.sqlite"])
def test_what_is_no_url_of_a_known_database_is_refused(tmp_path: Path, named: str) -> None:
    with pytest.raises(SettingsError, match=r"set \[review\] ledger to an SQLAlchemy URL"):
        url_with(tmp_path, f'[review]\nledger = "{named}"')


def test_an_object_store_without_a_named_ledger_is_told_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as told:
        url_with(tmp_path, '[paths]\ndata = "s3://bucket/data"')
    assert str(told.value) == (
        "the ledger cannot lie in an object store (s3://bucket/data); set [review] ledger to an SQLAlchemy URL,"
        " such as sqlite:////srv/autotag/ledger.sqlite or postgresql+psycopg://user@host/name"
    )


def test_decisions_are_recorded_under_the_name_that_is_set_or_the_login_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "login")
    assert reviewer_name(settings_with(tmp_path, "")) == "login"
    assert reviewer_name(settings_with(tmp_path, '[review]\nreviewer = "Ann"')) == "Ann"


def test_a_system_without_login_names_asks_for_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", unknown)
    with pytest.raises(SettingsError, match=r"set \[review\] reviewer"):
        reviewer_name(settings_with(tmp_path, ""))
