"""Access keys on disk: hashed, found again, seen by a running server, and never a door left open by accident."""

import json
import stat
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import MissingInputError, SettingsError, UsageError
from autotag.serving.api import key_file
from autotag.serving.api.key_file import LONGEST, Keys, keys_for, keys_path
from autotag.serving.api.stored_keys import PREFIX
from autotag.settings import Settings
from autotag.storage.roots import layout_of


@pytest.fixture
def path(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "secrets" / "keys.json")


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server looks at the file at every request."""
    monkeypatch.setattr(key_file, "LOOK_S", 0.0)


def test_a_key_is_known_by_its_text_and_only_its_hash_is_kept(path: UPath) -> None:
    text = Keys.of(path).add("ingest robot", ["write"])
    assert text.startswith(PREFIX)
    assert len(text) > len(PREFIX) + 40
    assert text not in path.read_text()
    keys = Keys.of(path)
    assert keys.allows(text, "write")
    assert not keys.allows(text, "read")
    assert [(each.name, each.scopes) for each in keys.list()] == [("ingest robot", ("write",))]
    assert stat.S_IMODE(Path(path.path).stat().st_mode) == 0o600


@pytest.mark.parametrize("wrong", ["", "x", PREFIX, "ü", "\ud800", "a" * (LONGEST + 1), "a" * 10_000_000])
def test_what_is_no_key_opens_nothing(path: UPath, wrong: str) -> None:
    keys = Keys.of(path)
    keys.add("one", ["read", "write"])
    assert not keys.allows(wrong, "read")


def test_no_two_keys_are_alike(path: UPath) -> None:
    keys = Keys.of(path)
    assert len({keys.add(str(number), ["read"]) for number in range(20)}) == 20


def test_a_name_is_taken_once(path: UPath) -> None:
    keys = Keys.of(path)
    keys.add("one", ["read"])
    with pytest.raises(UsageError, match="autotag keys remove"):
        keys.add(" one ", ["write"])


def test_removing_a_key_that_is_not_there_names_those_that_are(path: UPath) -> None:
    keys = Keys.of(path)
    keys.add("one", ["read"])
    with pytest.raises(MissingInputError, match="'two'; there is: one"):
        keys.remove("two")


@pytest.mark.usefixtures("_at_once")
def test_a_server_sees_keys_come_and_go(path: UPath) -> None:
    server = Keys.of(path)
    assert not server.required
    text = Keys.of(path).add("one", ["read"])
    assert server.required
    assert server.allows(text, "read")
    other = Keys.of(path).add("two", ["read"])
    Keys.of(path).remove("one")
    assert not server.allows(text, "read")
    assert server.allows(other, "read")


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("how", ["removed", "deleted"])
def test_the_last_key_that_goes_does_not_open_the_door_of_a_running_server(path: UPath, how: str) -> None:
    Keys.of(path).add("one", ["read"])
    server = Keys.of(path)
    if how == "removed":
        Keys.of(path).remove("one")
    else:
        path.unlink()
    assert server.known("anything") is None
    assert server.required
    assert Keys.of(path).required is False, "a server started afterwards has never had one"


@pytest.mark.usefixtures("_at_once")
def test_a_file_that_is_damaged_while_a_server_runs_lets_nobody_in(path: UPath) -> None:
    text = Keys.of(path).add("one", ["read"])
    server = Keys.of(path)
    path.write_text("{half")
    with pytest.raises(SettingsError):
        server.allows(text, "read")


def test_a_scope_that_a_newer_release_knows_opens_nothing_here(path: UPath) -> None:
    text = Keys.of(path).add("one", ["read"])
    content = json.loads(path.read_text())
    content["keys"][0]["scopes"] = ["admin"]
    path.write_text(json.dumps(content))
    keys = Keys.of(path)
    assert keys.known(text) is not None
    assert not keys.allows(text, "read")


def test_beyond_loopback_a_key_is_needed(settings_file: Path) -> None:
    settings = Settings.load(settings_file, {"serve.host": "0.0.0.0"})
    layout = layout_of(settings)
    with pytest.raises(UsageError, match="autotag keys add"):
        keys_for(settings, layout)
    Keys.of(keys_path(settings, layout)).add("one", ["read"])
    assert keys_for(settings, layout).required


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_on_loopback_a_key_is_needed_once_there_is_one(settings_file: Path, host: str) -> None:
    settings = Settings.load(settings_file, {"serve.host": host})
    layout = layout_of(settings)
    assert not keys_for(settings, layout).required
    Keys.of(layout.keys).add("one", ["read"])
    assert keys_for(settings, layout).required


def test_the_settings_may_name_another_file(settings_file: Path, tmp_path: Path) -> None:
    settings = Settings.load(settings_file, {"serve.keys": "elsewhere/k.json"})
    assert Path(keys_path(settings, layout_of(settings)).path) == tmp_path / "elsewhere" / "k.json"
    remote = Settings.load(settings_file, {"serve.keys": "memory://bucket/k.json"})
    assert str(keys_path(remote, layout_of(remote))) == "memory://bucket/k.json"
