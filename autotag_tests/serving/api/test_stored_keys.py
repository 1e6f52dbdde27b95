"""Access keys as they are stored: what a key may be called and allow, and which files hold keys."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.errors import SettingsError, UsageError
from autotag.serving.api.key_file import Keys
from autotag.serving.api.stored_keys import SCOPES, hash_of, made_key, read_keys, write_keys


@pytest.fixture
def path(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "keys.json")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_is_for_people(path: UPath, name: str) -> None:
    with pytest.raises(UsageError, match="key's name"):
        Keys.of(path).add(name, ["read"])
    assert not path.exists()


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "Write"]])
def test_a_key_allows_something_that_there_is(scopes: list[str]) -> None:
    with pytest.raises(UsageError, match="read, write"):
        made_key("one", scopes)


@given(st.lists(st.sampled_from(SCOPES), min_size=1))
def test_what_a_key_allows_is_stored_once_and_in_order(scopes: list[str]) -> None:
    text, key = made_key(" one ", scopes)
    assert (key.name, key.sha256) == ("one", hash_of(text))
    assert key.scopes == tuple(each for each in SCOPES if each in scopes)


def test_keys_come_back_as_they_were_written(path: UPath) -> None:
    keys = tuple(made_key(name, ["write", "read"])[1] for name in ("one", "zwei", "三"))
    write_keys(path, keys)
    assert read_keys(path) == keys


def test_where_there_is_no_file_there_are_no_keys(path: UPath) -> None:
    assert read_keys(path) == ()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"keys": 3}', '{"keys": [{"name": "a"}]}', "\xff", "null"]
)
def test_a_file_of_something_else_is_no_file_of_keys(path: UPath, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"keys\.json is no file of access keys .* autotag keys add"):
        Keys.of(path)
