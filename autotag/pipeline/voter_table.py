"""The table of approved voters: made folder by folder; what a folder gave before is taken over where nothing of it has changed."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import codes, is_in
from autotag.domain.ledger_entries import Standing
from autotag.domain.schemas import approved_voters as voters_schema
from autotag.errors import AutotagError, PermanentError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.voter_folders import Owners, Versions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, TableWriter, iter_batches, read_schema, read_stamp, read_table

TABLE = "approved_voters"

COLUMNS = ["file", "media_id", "region_index", "box_xyxy_px", "embedding"]

IMAGES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ApprovedImages:
    """Images with approved tags, by media id.

    Attributes:
        tags: approved or added.
        rejected: of these images.
    """

    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rejected: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, ledger: TagLedger) -> Self:
        """As the ledger stands."""
        found, approved = cls(), ledger.approved_media()
        while some := dict(itertools.islice(approved, IMAGES_AT_ONCE)):
            found.tags.update(some)
            for media, tags in ledger.effective(some).items():
                found.rejected[media] = sorted(tag.tag for tag in tags if tag.standing is Standing.REJECTED)
        return found


def made_from(approved: ApprovedImages, owners: Owners, versions: Versions) -> dict[str, str]:
    """Fingerprint of what each folder's rows are made from; an equal one means equal rows."""
    return {
        key: fingerprint(
            vectors=versions[key][0],
            images={each: (approved.tags[each], approved.rejected[each]) for each in media},
        )
        for key, media in owners.media.items()
    }


def write_voters(
    plan: PipelinePlan, approved: ApprovedImages, owners: Owners, made_from: Mapping[str, str]
) -> tuple[str, int]:
    """Write the table. Rows of folders that are made from the same as before are taken over from the one that is there.

    Args:
        plan: where things are, and which model.
        approved: the images.
        owners: which folder gives which of them.
        made_from: see `made_from`.

    Returns:
        Fingerprint of the table, and how many images were taken over.

    Raises:
        DamagedFolderError: a folder's tables are damaged; the table stays as it was.
        UnwritableRootError: the table cannot be written.
    """
    path = plan.layout.approved_voters(plan.model_id)
    stored, reused = _Stored.of(path), 0
    stamp = Stamp(TABLE, plan.model_id, table_fingerprint(made_from), {"folders": dict(made_from)})
    with TableWriter(path, voters_schema(_dim(plan, owners)), stamp) as writer:
        for key, media in owners.media.items():
            rows = stored.rows(key, made_from[key])
            reused += len(media) if rows is not None else 0
            with _told_of(key):
                some = [rows] if rows is not None else list(_voters_of(plan, key, media, approved))
            for each in some:
                writer.write(each)
    return stamp.fingerprint, reused


def table_fingerprint(made_from: Mapping[str, str]) -> str:
    """In the stamp of a table whose rows are made from this."""
    return fingerprint(folders=dict(made_from))


class DamagedFolderError(PermanentError):
    """A folder's tables are damaged: nobody in it can vote. Never leaves the making of the table."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True, slots=True)
class _Stored:
    """Rows of the table as it was, those of a folder together."""

    made_from: Mapping[str, str]
    table: pa.Table | None = None
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: UPath) -> Self:
        stamp = read_stamp(path)
        if stamp is None or stamp.table != TABLE or "folders" not in stamp.extra:
            return cls({})
        try:
            table = read_table(path, made_by=TABLE)
        except AutotagError:  # it is about to be made again
            return cls({})
        folder, names = codes(table["folder"])
        starts = [*np.unique(folder, return_index=True)[1].tolist(), table.num_rows]
        spans = {name: (a, b - a) for name, a, b in zip(names.to_pylist(), starts, starts[1:], strict=False)}
        return cls(stamp.extra["folders"], table, spans)

    def rows(self, key: str, made_from: str) -> pa.Table | None:
        """Rows of a folder; None where they were made from something else."""
        if self.table is None or self.made_from.get(key) != made_from:
            return None
        return self.table.slice(*self.spans.get(key, (0, 0)))


@contextmanager
def _told_of(key: str) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        raise DamagedFolderError(key, str(error)) from error


def _dim(plan: PipelinePlan, owners: Owners) -> int:
    for key in owners.media:
        with _told_of(key):
            schema = read_schema(plan.layout.folder_tables(key).embeddings)
        return schema.field("embedding").type.list_size
    return 1


def _voters_of(
    plan: PipelinePlan, key: str, media_ids: list[str], approved: ApprovedImages
) -> Iterator[pa.Table]:
    """Rows of these images, of each those of its first file, some at a time."""
    tables = plan.layout.folder_tables(key)
    images = read_table(tables.images, ["media_id", "phash"], made_by=f"target_images of {key}")
    images = images.filter(pa.array(is_in(images["media_id"], media_ids)))
    hashes = dict(zip(images["media_id"].to_pylist(), images["phash"].to_pylist(), strict=True))
    first_file: dict[str, str] = {}
    for batch in iter_batches(tables.embeddings, COLUMNS, made_by=f"target_embeddings of {key}"):
        rows = pa.Table.from_batches([batch])
        rows = rows.filter(pa.array(is_in(rows["media_id"], list(hashes))))
        if not rows.num_rows:
            continue
        files, media = rows["file"].to_pylist(), rows["media_id"].to_pylist()
        is_first = [
            first_file.setdefault(each, file) == file for each, file in zip(media, files, strict=True)
        ]
        yield _with_facts(rows.filter(pa.array(is_first)), key, hashes, approved)


def _with_facts(rows: pa.Table, key: str, hashes: Mapping[str, str], approved: ApprovedImages) -> pa.Table:
    media = rows["media_id"].to_pylist()
    of_images = {
        "folder": pa.array([key] * len(media), pa.string()),
        "phash": pa.array([hashes[name] for name in media], pa.string()),
        "tags": pa.array([approved.tags[name] for name in media], pa.list_(pa.string())),
        "rejected": pa.array([approved.rejected[name] for name in media], pa.list_(pa.string())),
    }
    for name, column in of_images.items():
        rows = rows.append_column(name, column)
    return rows.select(voters_schema(1).names)
