"""autotag keys: a key is told once, listed without its text, and removed."""

from collections.abc import Callable
from pathlib import Path

from upath import UPath

from autotag.serving.api.key_file import Keys
from autotag_tests.cli.conftest import Said

Autotag = Callable[..., Said]


def keys_of(root: Path) -> Keys:
    return Keys.of(UPath(root / "data" / "keys.json"))


def test_the_key_alone_is_on_standard_output(autotag: Autotag, tmp_path: Path) -> None:
    told = autotag("keys", "add", "me")
    assert told.code == 0
    key = told.out.strip()
    assert keys_of(tmp_path).allows(key, "read")
    assert not keys_of(tmp_path).allows(key, "write")
    assert "me may read. Keep the key: it is not shown again." in told.err
    assert "Authorization: Bearer" in told.err


def test_scopes_can_be_given_several_times(autotag: Autotag, tmp_path: Path) -> None:
    told = autotag("keys", "add", "robot", "--scope", "write", "--scope", "read", "--json")
    assert told.json["scopes"] == ["write", "read"]
    assert told.json["path"] == str(tmp_path / "data" / "keys.json")
    assert keys_of(tmp_path).allows(told.json["key"], "write")


def test_a_scope_that_there_is_not_is_refused(autotag: Autotag) -> None:
    assert autotag("keys", "add", "me", "--scope", "admin").code == 2


def test_keys_are_listed_without_their_texts(autotag: Autotag) -> None:
    key = autotag("keys", "add", "me [bold]", "--json").json["key"]
    told = autotag("keys", "list")
    assert "me [bold]" in told.out
    assert key not in told.out
    assert [each["name"] for each in autotag("keys", "list", "--json").json["keys"]] == ["me [bold]"]


def test_without_keys_it_is_said_who_is_let_in(autotag: Autotag) -> None:
    told = autotag("keys", "list")
    assert "no keys in" in told.out
    assert "127.0.0.1 only" in told.out


def test_a_key_that_was_removed_is_worthless(autotag: Autotag, tmp_path: Path) -> None:
    key = autotag("keys", "add", "me").out.strip()
    assert autotag("keys", "remove", "me").out == "me is removed\n"
    assert not keys_of(tmp_path).allows(key, "read")


def test_removing_what_is_not_there_is_wrong_use_and_says_what_is(autotag: Autotag) -> None:
    autotag("keys", "add", "me")
    told = autotag("keys", "remove", "you")
    assert told.code == 2
    assert "there is no key 'you'; there is: me" in told.err


def test_a_damaged_file_is_told_with_the_remedy(autotag: Autotag, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keys.json").write_text("{")
    told = autotag("keys", "list")
    assert told.code == 2
    assert "restore it, or delete it" in told.err
