"""The manifest: there and back, and nothing accepted that is not one."""

import json
from typing import Any

import pytest

from autotag.errors import CorruptIndexError
from autotag.reference.manifest import (
    IMAGES_FILE,
    INDEX_FILE,
    REGIONS_FILE,
    TAGS_FILE,
    ReferenceManifest,
    ReleasedFile,
    ReleasedShard,
)

MANIFEST = ReferenceManifest(
    model_id="model-a",
    version="20260102T030405Z-0123abcd",
    rows=10,
    dim=4,
    factory="IVF4,SQ8",
    search_params={"nprobe": 2},
    shards={"00001": ReleasedShard("ab12", 7), "00000": ReleasedShard("cd34", 0)},
    faiss_version="1.15.1",
    files={
        name: ReleasedFile(123, f"{digit}" * 64)
        for digit, name in enumerate((INDEX_FILE, REGIONS_FILE, IMAGES_FILE, TAGS_FILE))
    },
    trained_on_rows=8,
    created_at="2026-01-02T03:04:05+00:00",
    recall_at_10=None,
    reason="10 rows: a test.",
)


def test_a_manifest_survives_the_way_to_json_and_back() -> None:
    back = ReferenceManifest.from_json(MANIFEST.to_json(), "manifest.json")
    assert back == MANIFEST
    assert list(back.shards) == list(MANIFEST.shards)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": None}, "unusable value for rows"),
        ({"rows": True}, "unusable value for rows"),
        ({"dim": -1}, "unusable value for dim"),
        ({"recall_at_10": 1.5}, "unusable value for recall_at_10"),
        ({"shards": ["00000"]}, "unusable value for shards"),
        ({"shards": {"00000": {"state": "ab12", "images": -1}}}, "unusable value for shards"),
        ({"shards": {"00000": {"state": "ab12"}}}, "unusable value for shards"),
        ({"files": {}}, "unusable value for files"),
        ({"files": {"index.faiss": {"size_bytes": 1, "sha256": "ab"}}}, "unusable value for files"),
        ({"search_params": {"nprobe": "2"}}, "unusable value for search_params"),
        ({"model_id": 3}, "unusable value for model_id"),
        ({"colour": "red"}, "has unknown colour"),
    ],
)
def test_a_value_that_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    text = json.dumps({**json.loads(MANIFEST.to_json()), **change})
    with pytest.raises(CorruptIndexError, match=rf"^x/manifest\.json .*{message}"):
        ReferenceManifest.from_json(text, "x/manifest.json")


def test_a_missing_key_is_named() -> None:
    record = json.loads(MANIFEST.to_json())
    del record["factory"]
    with pytest.raises(CorruptIndexError, match=r"^m\.json lacks factory"):
        ReferenceManifest.from_json(json.dumps(record), "m.json")


@pytest.mark.parametrize(("written", "said"), [({}, "is of format 1,"), ({"format": 3}, "is of format 3,")])
def test_a_release_of_another_format_is_said_to_be_one_with_the_command(
    written: dict[str, int], said: str
) -> None:
    record = {"model_id": "m", "index_sha256": "ab", "mapping_sha256": "cd", **written}
    with pytest.raises(
        CorruptIndexError, match=rf"^m\.json {said} this autotag reads format 2; run `autotag build-index`"
    ):
        ReferenceManifest.from_json(json.dumps(record), "m.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_object_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptIndexError, match=r"^m\.json is not"):
        ReferenceManifest.from_json(text, "m.json")
