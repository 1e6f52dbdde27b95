"""The manifest of a released reference index: what it is, what made it, and how to know it again."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from autotag.errors import CorruptIndexError

INDEX_FILE = "index.faiss"
REGIONS_FILE = "regions.arrow"
IMAGES_FILE = "images.arrow"
TAGS_FILE = "tags.arrow"
_FILES = {INDEX_FILE, REGIONS_FILE, IMAGES_FILE, TAGS_FILE}

FORMAT = 2
"""Of a release. Those of format 1 had one table for regions, images and tags, and no such number."""


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A file of a release: its size, and the hexadecimal SHA-256 of its bytes."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ReleasedShard:
    """A source shard of a release.

    Attributes:
        state: of its embeddings when they were read; another one now means other vectors or tags.
        images: of it that the release holds. Images are numbered through, shard after shard.
    """

    state: str
    images: int


@dataclass(frozen=True, slots=True)
class ReferenceManifest:
    """One release.

    Attributes:
        model_id: of every vector in it.
        version: name of the release.
        rows: vectors, and rows of regions.arrow.
        dim: length of a vector.
        factory: FAISS factory string.
        search_params: nprobe, efSearch, k_factor: those that apply.
        shards: source shards covered, by name, in the order their rows stand in.
        faiss_version: that wrote the index.
        files: all files but the manifest, by name.
        trained_on_rows: vectors it learned from; 0 = it learned nothing.
        created_at: UTC, ISO 8601.
        recall_at_10: against exact search on the probes; None = not measured.
        reason: why this kind of index, one sentence.
        format: how the files are laid out.
    """

    model_id: str
    version: str
    rows: int
    dim: int
    factory: str
    search_params: dict[str, float]
    shards: dict[str, ReleasedShard]
    faiss_version: str
    files: dict[str, ReleasedFile]
    trained_on_rows: int
    created_at: str
    recall_at_10: float | None
    reason: str
    format: int = FORMAT

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
            CorruptIndexError: not JSON, of another format, a key missing or unknown, or a value of the wrong type.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise _corrupt(source, f"is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise _corrupt(source, "is not a JSON object")
        if record.get("format") != FORMAT:
            raise _corrupt(
                source, f"is of format {record.get('format', 1)!r}, this autotag reads format {FORMAT}"
            )
        names = {item.name for item in fields(cls)}
        for verb, keys in (("lacks", names - record.keys()), ("has unknown", record.keys() - names)):
            if keys:
                raise _corrupt(source, f"{verb} {', '.join(sorted(keys))}")
        for name, value in record.items():
            if not _fits(name, value):
                raise _corrupt(source, f"has an unusable value for {name}: {value!r}")
        shards = {name: ReleasedShard(**facts) for name, facts in record["shards"].items()}
        files = {name: ReleasedFile(**facts) for name, facts in record["files"].items()}
        return cls(**{**record, "shards": shards, "files": files})


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a local file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fits(name: str, value: Any) -> bool:
    if name in ("rows", "dim", "trained_on_rows", "format"):
        return _is_count(value)
    if name == "search_params":
        return isinstance(value, dict) and all(_is_number(item) for item in value.values())
    if name == "shards":
        return _holds_records(value, "state", "images")
    if name == "files":
        return _holds_records(value, "sha256", "size_bytes") and value.keys() >= _FILES
    if name == "recall_at_10":
        return value is None or (_is_number(value) and 0 <= value <= 1)
    return isinstance(value, str)


def _holds_records(value: Any, text: str, count: str) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, dict)
        and item.keys() == {text, count}
        and isinstance(item[text], str)
        and _is_count(item[count])
        for item in value.values()
    )


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _corrupt(source: str, what: str) -> CorruptIndexError:
    return CorruptIndexError(f"{source} {what}; run `autotag build-index` to release the index again")
