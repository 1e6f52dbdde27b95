"""Finding and hashing weight files."""

import hashlib
import os
from pathlib import Path

import pytest

from autotag.errors import MissingWeightsError
from autotag.models.specs import ModelSpec
from autotag.models.weights import (
    find_weights,
    make_fingerprint,
    remember_location,
    remembered_location,
    weights_sha256,
)


def test_a_relative_path_starts_from_the_weights_directory_and_never_from_the_working_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    (kept / "sub").mkdir(parents=True)
    for place in (tmp_path, kept, kept / "sub"):
        (place / "given.pt").write_bytes(b"")
    (tmp_path / "here.pt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec("yolo:x", weights_dir=kept)
    assert find_weights(spec, str(tmp_path / "given.pt"), "") == tmp_path / "given.pt"
    for name, place in {"given.pt": kept, "./given.pt": kept, "sub/given.pt": kept / "sub"}.items():
        assert find_weights(spec, name, "") == place / "given.pt"
    assert find_weights(spec, "../given.pt", "") == tmp_path / "given.pt"
    for name in ("here.pt", "./here.pt", ""):
        with pytest.raises(MissingWeightsError):
            find_weights(spec, name, "")


def test_a_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.pt").write_bytes(b"")
    assert find_weights(ModelSpec("yolo:x"), "~/mine.pt", "") == tmp_path / "mine.pt"


def test_without_a_weights_directory_a_relative_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.pt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingWeightsError, match=r"paths\.weights"):
        find_weights(ModelSpec("yolo:here.pt"), "here.pt", "")


def test_a_missing_file_is_one_sentence_with_the_place_the_rule_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        find_weights(ModelSpec("yolo:no.pt", weights_dir=tmp_path), "no.pt", "fetch it from the moon")
    message = str(caught.value)
    assert f"{tmp_path / 'no.pt'} (relative paths start from paths.weights)" in message
    assert message.endswith("fetch it from the moon.")
    assert "\n" not in message


@pytest.mark.parametrize("cached", [True, False])
def test_the_hash_follows_the_content(tmp_path: Path, cached: bool) -> None:
    file, cache = tmp_path / "a.pt", tmp_path / "cache" if cached else None
    file.write_bytes(b"one")
    assert weights_sha256(file, cache) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"other")
    assert weights_sha256(file, cache) == hashlib.sha256(b"other").hexdigest()


def test_an_unchanged_file_is_hashed_once(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.pt", tmp_path / "cache"
    file.write_bytes(b"one")
    before = file.stat()
    first = weights_sha256(file, cache)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights_sha256(file, cache) == first


def test_a_damaged_or_unwritable_cache_only_costs_time(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.pt", tmp_path / "cache"
    file.write_bytes(b"one")
    digest = weights_sha256(file, cache)
    for entry in cache.rglob("*.txt"):
        entry.write_bytes(b"\xff\xfe rubbish")
    assert weights_sha256(file, cache) == digest
    blocked = tmp_path / "a file where the cache should be"
    blocked.write_text("")
    assert weights_sha256(file, blocked) == digest


def test_a_remembered_location_is_forgotten_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"1")
    remember_location(tmp_path / "cache", "open_clip:X/y", file)
    assert remembered_location(tmp_path / "cache", "open_clip:X/y") == file
    assert remembered_location(tmp_path / "cache", "open_clip:X/z") is None
    file.unlink()
    assert remembered_location(tmp_path / "cache", "open_clip:X/y") is None


def test_fingerprints_are_safe_in_file_names() -> None:
    assert make_fingerprint("yolo11s", "1a2b3c4d5e", 1) == "yolo11s-1a2b3c4d-p1"
    assert make_fingerprint("../a b/c?", "1a2b3c4d5e", 2) == "a_b_c-1a2b3c4d-p2"
