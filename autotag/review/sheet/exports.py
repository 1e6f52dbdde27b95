"""What each review sheet said when it was written: only so is it known, later, what its editor changed.

Also keeps a sheet from being lost that somebody edited where it lies, when the next one takes its place.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from autotag.domain.schemas import REVIEW_EXPORT
from autotag.storage.folder_tables import FolderTables
from autotag.storage.removal import remove_file
from autotag.storage.tables import Stamp, read_stamp, read_table, write_bytes, write_table

KEPT = 100
"""Exports of a folder that are remembered; who edits a sheet for longer than that has to export again."""

_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
"""A run id comes back from a file that anybody may have edited, and names a file here."""

_TABLE = "review_export"


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """An image as the sheet had it.

    Attributes:
        media_id: of its bytes, then.
        approved: tags that people had approved or added.
        rejected: tags that people had rejected.
    """

    media_id: str
    approved: frozenset[str]
    rejected: frozenset[str]


@dataclass(frozen=True, slots=True)
class SheetExport:
    """A sheet as it was written.

    Attributes:
        run_id: that it names.
        images: what it says, by file.
    """

    run_id: str
    images: Mapping[str, ExportedImage]


def write_sheet(tables: FolderTables, sheet: bytes, export: SheetExport) -> UPath | None:
    """Write a sheet, after what is known of it; so there is never a sheet that cannot be imported.

    Args:
        tables: of the folder.
        sheet: the file.
        export: what it says.

    Returns:
        Where the sheet before was put that somebody had edited; None where there was none, or nobody had.

    Raises:
        ValueError: a run id that is no file name.
        UnwritableRootError: the file system refuses.
    """
    if not _RUN_ID.fullmatch(export.run_id):
        raise ValueError(f"run id {export.run_id!r} is no file name")
    kept = _keep_edited(tables, export.run_id)
    images, names = export.images, sorted(export.images)
    columns = {
        "file": names,
        "media_id": [images[name].media_id for name in names],
        "approved": [sorted(images[name].approved) for name in names],
        "rejected": [sorted(images[name].rejected) for name in names],
    }
    stamp = Stamp(_TABLE, fingerprint=_sha256(sheet))
    write_table(
        tables.review_export(export.run_id), pa.table(columns, schema=REVIEW_EXPORT), REVIEW_EXPORT, stamp
    )
    write_bytes(tables.review_sheet, sheet)
    _forget_old(tables)
    return kept


def read_export(tables: FolderTables, run_id: str) -> SheetExport | None:
    """What a run's sheet said; None where no such export is known.

    Raises:
        PermanentError: the table is damaged.
    """
    path = tables.review_export(run_id)
    if not _RUN_ID.fullmatch(run_id) or not path.exists():
        return None
    rows = read_table(path, made_by="review_sheet").to_pylist()
    images = {
        row["file"]: ExportedImage(row["media_id"], frozenset(row["approved"]), frozenset(row["rejected"]))
        for row in rows
    }
    return SheetExport(run_id, images)


def _keep_edited(tables: FolderTables, run_id: str) -> UPath | None:
    """Put the sheet that lies there aside, if it is not as any export wrote it."""
    try:
        data = tables.review_sheet.read_bytes()
    except FileNotFoundError:
        return None
    content = _sha256(data)
    if any(_written_as(path) == content for path in _exports(tables)):
        return None
    aside = tables.edited_sheet(run_id, content)
    write_bytes(aside, data)
    return aside


def _written_as(export: UPath) -> str:
    stamp = read_stamp(export)
    return stamp.fingerprint if stamp else ""


def _exports(tables: FolderTables) -> list[UPath]:
    """The newest first."""
    if not tables.review_exports.is_dir():
        return []
    found = [path for path in tables.review_exports.iterdir() if path.suffix == ".parquet"]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)


def _forget_old(tables: FolderTables) -> None:
    for path in _exports(tables)[KEPT:]:
        remove_file(path)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
