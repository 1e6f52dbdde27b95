"""Audits of what a folder's people look at: thumbnails, medoid, review sheet."""

import json
from collections import Counter

from autotag.errors import BadSheetError, MissingInputError
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.plan import PipelinePlan
from autotag.review.sheet.reader import read_sheet
from autotag.storage.folder_tables import FolderTables
from autotag.storage.removal import names_there
from autotag.storage.tables import count_rows, read_table

LARGEST_COSINE = 1 + 1e-6
"""Of two unit vectors, after rounding."""


def audit_thumbnails(plan: PipelinePlan, key: str) -> Audit:
    """Thumbnails of a folder: every image of the manifest has one that lies there, or a row among the rejects.

    Raises:
        MissingInputError: there are none, or no manifest.
    """
    tables = plan.layout.folder_tables(key)
    images = _media(tables)
    made_by = f"thumbnails of {key}"
    rows = read_table(tables.thumbnail_table, ["file", "thumbnail_file"], made_by=made_by).to_pylist()
    rejected = set(read_table(tables.thumbnail_rejects, ["key"], made_by=made_by)["key"].to_pylist())
    names = {row["file"]: row["thumbnail_file"] for row in rows}
    there = names_there(tables.thumbnails, set(names.values()))
    return Audit(
        len(rows) + len(rejected),
        _faults(
            (
                "images of the manifest have neither thumbnail nor reject",
                images.keys() - names.keys() - rejected,
            ),
            ("thumbnails are of no image of the manifest", names.keys() - images.keys()),
            ("thumbnails do not lie there", {file for file, name in names.items() if name not in there}),
        ),
    )


def audit_folder_medoid(plan: PipelinePlan, key: str) -> Audit:
    """Medoid of a folder: an image of the manifest with that content, and a cosine that is one; none without vectors.

    Raises:
        MissingInputError: there is none though the folder has vectors, or there is no manifest.
    """
    tables = plan.layout.folder_tables(key)
    images = _media(tables)
    try:
        document = json.loads(tables.medoid.read_bytes())
    except FileNotFoundError as error:
        if not count_rows(tables.embeddings):
            return Audit(0, ())
        raise MissingInputError(
            f"{tables.medoid} is not there; materialise folder_medoid of {key} again"
        ) from error
    except ValueError as error:
        return Audit(1, (f"{tables.medoid} is no JSON ({error})",))
    if not isinstance(document, dict):
        return Audit(1, (f"{tables.medoid} is no medoid.json",))
    file, cosine = document.get("file"), document.get("cosine_to_centroid")
    is_cosine = isinstance(cosine, int | float) and abs(cosine) <= LARGEST_COSINE
    told = {
        f"{file} is no image of the manifest": file not in images,
        f"{file} has another content by now": file in images and images[file] != document.get("media_id"),
        f"{cosine} is no cosine": not is_cosine,
    }
    return Audit(1, tuple(fault for fault, is_so in told.items() if is_so))


def audit_review_sheet(plan: PipelinePlan, key: str) -> Audit:
    """Review sheet of a folder: one row an image of the manifest, and none else; whoever edits it may well change that.

    Raises:
        MissingInputError: there is none, or no manifest.
    """
    tables = plan.layout.folder_tables(key)
    images = _media(tables)
    try:
        rows = read_sheet(tables.review_sheet.read_bytes(), str(tables.review_sheet))
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{tables.review_sheet} is not there; materialise review_sheet of {key} again"
        ) from error
    except BadSheetError as error:
        return Audit(0, (str(error),))
    files = [row.rel_path for row in rows]
    twice = {file for file, count in Counter(files).items() if count > 1}
    return Audit(
        len(rows),
        _faults(
            ("images of the manifest have no row", images.keys() - set(files)),
            ("rows are of no image of the manifest", set(files) - images.keys()),
            ("images have several rows", twice),
        ),
    )


def _media(tables: FolderTables) -> dict[str, str]:
    """Media ids of the manifest's images by file."""
    rows = read_table(tables.images, ["file", "media_id"], made_by="target_images")
    return dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))


def _faults(*found: tuple[str, set[str]]) -> tuple[str, ...]:
    return tuple(f"{len(files)} {what}, such as {min(files)}" for what, files in found if files)
