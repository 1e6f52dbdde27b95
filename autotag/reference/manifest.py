"""The manifest of a released reference index: what it is, what made it, and how to know it again."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from autotag.errors import CorruptIndexError

INDEX_FILE = "index.faiss"
MAPPING_FILE = "mapping.parquet"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class ReferenceManifest:
    """One release.

    Attributes:
        model_id: of every vector in it.
        version: name of the release.
        rows: vectors, and rows of the mapping.
        dim: length of a vector.
        factory: FAISS factory string.
        search_params: nprobe, efSearch, k_factor: those that apply.
        shards: names of the source shards covered, in the order their rows stand in.
        faiss_version: that wrote the index.
        index_sha256: of index.faiss, hexadecimal.
        index_bytes: size of index.faiss.
        mapping_sha256: of mapping.parquet, hexadecimal.
        tags_sha256: fingerprint of the tags in the mapping, hexadecimal.
        trained_on_rows: vectors it learned from; 0 = it learned nothing.
        created_at: UTC, ISO 8601.
        recall_at_10: against exact search on the probes; None = not measured.
        reason: why this kind of index, one sentence.
    """

    model_id: str
    version: str
    rows: int
    dim: int
    factory: str
    search_params: dict[str, float]
    shards: tuple[str, ...]
    faiss_version: str
    index_sha256: str
    index_bytes: int
    mapping_sha256: str
    tags_sha256: str
    trained_on_rows: int
    created_at: str
    recall_at_10: float | None
    reason: str

    def to_json(self) -> str:
        """As text, keys in the order above, one a line."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Self:
        """Read `to_json`'s text back.

        Args:
            text: the file's content.
            source: the file's name, for messages.

        Raises:
            CorruptIndexError: not JSON, a key missing or unknown, or a value of the wrong type.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise _corrupt(source, f"is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise _corrupt(source, "is not a JSON object")
        names = {item.name for item in fields(cls)}
        for verb, keys in (("lacks", names - record.keys()), ("has unknown", record.keys() - names)):
            if keys:
                raise _corrupt(source, f"{verb} {', '.join(sorted(keys))}")
        for name, value in record.items():
            if not _fits(name, value):
                raise _corrupt(source, f"has an unusable value for {name}: {value!r}")
        return cls(**{**record, "shards": tuple(record["shards"])})


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a local file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fits(name: str, value: Any) -> bool:
    if name in ("rows", "dim", "index_bytes", "trained_on_rows"):
        return _is_number(value) and isinstance(value, int) and value >= 0
    if name == "search_params":
        return isinstance(value, dict) and all(_is_number(item) for item in value.values())
    if name == "shards":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if name == "recall_at_10":
        return value is None or (_is_number(value) and 0 <= value <= 1)
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _corrupt(source: str, what: str) -> CorruptIndexError:
    return CorruptIndexError(f"{source} {what}; run `autotag build-index` to release the index again")
