"""The archive's own tags: one Parquet table a shard, written by whoever tagged it, read and judged here."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.errors import BadTagsError
from autotag.storage.arrow_files import open_for_arrow

_EXPECTED = "expected columns: key: string, tags: list<string>, and, if wanted, caption: string"


@dataclass(frozen=True, slots=True)
class ImageTags:
    """What the archive says about one image.

    Attributes:
        tags: stripped, without empty ones, each once, in the table's order.
        caption: stripped; None where there is none.
    """

    tags: tuple[str, ...]
    caption: str | None


def read_tags(path: UPath) -> dict[str, ImageTags]:
    """Read a tags table. Columns beyond key, tags and caption are ignored.

    Returns:
        Tags by key, in the table's order; empty for a table without rows. A null list is no tags.

    Raises:
        BadTagsError: not there, not Parquet, a column missing or of another type, a key that is null, empty
            or there twice.
    """
    try:
        with open_for_arrow(path) as stream:
            table = _read(stream, path)
    except FileNotFoundError as error:
        raise BadTagsError(f"{path} is not there; every shard needs its tags table ({_EXPECTED})") from error
    keys: list[str | None] = table["key"].to_pylist()
    _check_keys(keys, path)
    tags: list[list[str | None] | None] = table["tags"].to_pylist()
    captions: list[str | None] = table["caption"].to_pylist()
    return {
        str(key): ImageTags(_clean(names or []), (caption or "").strip() or None)
        for key, names, caption in zip(keys, tags, captions, strict=True)
    }


def _read(stream: Any, path: UPath) -> pa.Table:
    try:
        parquet = pq.ParquetFile(stream)
        schema = parquet.schema_arrow
        _check_columns(schema, path)
        columns = [name for name in ("key", "tags", "caption") if name in schema.names]
        table = parquet.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise BadTagsError(
            f"{path} cannot be read as Parquet: {error}; write it again ({_EXPECTED})"
        ) from error
    if "caption" not in columns:
        table = table.append_column("caption", pa.nulls(table.num_rows, pa.string()))
    return table


def _check_columns(schema: pa.Schema, path: UPath) -> None:
    twice = [name for name in ("key", "tags", "caption") if schema.names.count(name) > 1]
    fits = (
        not twice
        and {"key", "tags"} <= set(schema.names)
        and _is_text(schema.field("key").type)
        and _is_text_list(schema.field("tags").type)
        and ("caption" not in schema.names or _is_text_or_null(schema.field("caption").type))
    )
    if not fits:
        found = ", ".join(f"{item.name}: {item.type}" for item in schema) or "no columns"
        raise BadTagsError(f"{path} is not a tags table; found {found}; {_EXPECTED}")


def _check_keys(keys: list[str | None], path: UPath) -> None:
    unnamed = sum(1 for key in keys if not key)
    if unnamed:
        raise BadTagsError(
            f"{path}: {unnamed} of {len(keys)} rows have a null or empty key; give each row its key"
        )
    seen: set[str | None] = set()
    twice = sorted({str(key) for key in keys if key in seen or seen.add(key)})
    if twice:
        raise BadTagsError(
            f"{path}: {len(twice)} keys are there more than once, such as {', '.join(twice[:3])};"
            " keep one row a key"
        )


def _clean(names: list[str | None]) -> tuple[str, ...]:
    stripped = ((name or "").strip() for name in names)
    return tuple(dict.fromkeys(name for name in stripped if name))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_text_or_null(kind: pa.DataType) -> bool:
    return pa.types.is_null(kind) or _is_text(kind)


def _is_text_list(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and _is_text_or_null(kind.value_type)
