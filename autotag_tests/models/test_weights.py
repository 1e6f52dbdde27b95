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


def test_a_given_path_comes_before_the_weights_directory(tmp_path: Path) -> None:
    given, kept = tmp_path / "given.pt", tmp_path / "kept"
    kept.mkdir()
    given.write_bytes(b"1")
    (kept / "given.pt").write_bytes(b"2")
    spec = ModelSpec("yolo:x", weights_dir=kept)
    assert find_weights(spec, str(given), "") == given
    assert find_weights(spec, "given.pt", "") == kept / "given.pt"


def test_a_missing_file_is_one_sentence_with_both_places_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        find_weights(ModelSpec("yolo:no.pt", weights_dir=tmp_path), "no.pt", "fetch it from the moon")
    message = str(caught.value)
    assert str(Path("no.pt").absolute()) in message
    assert str(tmp_path / "no.pt") in message
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
