"""The manifest: there and back, and nothing accepted that is not one."""

import json
from typing import Any

import pytest

from autotag.errors import CorruptIndexError
from autotag.reference.manifest import ReferenceManifest

MANIFEST = ReferenceManifest(
    model_id="model-a",
    version="20260102T030405Z-0123abcd",
    rows=10,
    dim=4,
    factory="IVF4,SQ8",
    search_params={"nprobe": 2},
    shards=("00000", "00001"),
    faiss_version="1.15.1",
    index_sha256="ab" * 32,
    index_bytes=123,
    mapping_sha256="cd" * 32,
    tags_sha256="ef" * 32,
    trained_on_rows=8,
    created_at="2026-01-02T03:04:05+00:00",
    recall_at_10=None,
    reason="10 rows: a test.",
)


def test_a_manifest_survives_the_way_to_json_and_back() -> None:
    assert ReferenceManifest.from_json(MANIFEST.to_json(), "manifest.json") == MANIFEST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": None}, "unusable value for rows"),
        ({"rows": True}, "unusable value for rows"),
        ({"dim": -1}, "unusable value for dim"),
        ({"recall_at_10": 1.5}, "unusable value for recall_at_10"),
        ({"shards": "00000"}, "unusable value for shards"),
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
    del record["index_sha256"]
    with pytest.raises(CorruptIndexError, match=r"^m\.json lacks index_sha256"):
        ReferenceManifest.from_json(json.dumps(record), "m.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_object_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptIndexError, match=r"^m\.json is not"):
        ReferenceManifest.from_json(text, "m.json")
