"""A table of URLs, with captions and tags where it has them, read shard by shard."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.errors import MissingInputError, PermanentError
from autotag.storage.arrow_files import open_for_arrow


@dataclass(frozen=True, slots=True)
class UrlColumns:
    """Names of columns; empty for none."""

    url: str = "url"
    caption: str = "caption"
    tags: str = "tags"


@dataclass(frozen=True, slots=True)
class UrlList:
    """Rows of a list.

    Attributes:
        rows: url: string; caption: string or null; tags: list<string>.
        is_first: bool (n,): whether the URL was in no row before.
    """

    rows: pa.Table
    is_first: npt.NDArray[np.bool_]


def read_url_list(path: UPath, columns: UrlColumns) -> UrlList:
    """Read it whole: text only, some hundred bytes a row.

    Raises:
        MissingInputError: it is not there.
        PermanentError: no Parquet, no such column, or one of another type.
    """
    try:
        with open_for_arrow(path) as stream:
            file = pq.ParquetFile(stream)
            wanted = {columns.url, columns.caption, columns.tags}
            # Columns nobody asked for may hold the pictures themselves; without the one that is needed all are named.
            there = [name for name in file.schema_arrow.names if name in wanted]
            table = file.read(there) if columns.url in there else file.schema_arrow.empty_table()
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is not there") from error
    except (pa.ArrowException, OSError) as error:
        raise PermanentError(f"{path} cannot be read as Parquet: {error}") from error
    urls = _column(table, columns.url, pa.string(), path)
    if urls is None:
        raise PermanentError(
            f"{path} has no column {columns.url!r} but {', '.join(table.schema.names) or 'none'}; name the one with the"
            " URLs with --url-column"
        )
    nothing = pa.nulls(table.num_rows)
    captions = _column(table, columns.caption, pa.string(), path)
    tags = _column(table, columns.tags, pa.list_(pa.string()), path)
    rows = pa.table(
        {
            "url": urls.fill_null(""),
            "caption": captions if captions is not None else nothing.cast(pa.string()),
            "tags": tags if tags is not None else nothing.cast(pa.list_(pa.string())),
        }
    )
    return UrlList(rows, _is_first(rows["url"].to_pylist()))


def _column(table: pa.Table, name: str, kind: pa.DataType, path: UPath) -> pa.ChunkedArray | None:
    if not name or name not in table.schema.names:
        return None
    try:
        return table[name].cast(kind)
    except (pa.ArrowException, KeyError) as error:
        raise PermanentError(
            f"{path}: column {name!r} is {table.schema.field(name).type}, not {kind}; write it again"
        ) from error


def _is_first(urls: list[str]) -> npt.NDArray[np.bool_]:
    seen: set[str] = set()
    first = np.zeros(len(urls), bool)
    for row, url in enumerate(urls):
        first[row] = url not in seen
        seen.add(url)
    return first
