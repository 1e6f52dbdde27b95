"""The table of approved voters: made folder by folder; what a folder gave before is taken over where nothing of it has changed."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import codes, is_in
from autotag.domain.counts import StepCounts
from autotag.domain.ledger_entries import Standing
from autotag.domain.schemas import approved_voters as voters_schema
from autotag.errors import AutotagError, PermanentError
from autotag.pipeline.plan import PipelinePlan
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


def write_voters(
    plan: PipelinePlan, approved: ApprovedImages, folders: Mapping[str, str], stamp: Stamp
) -> None:
    """Write the table. Its stamp gets the counts, and of each folder what its rows were made from.

    Args:
        plan: where things are, and which model.
        approved: the images.
        folders: key of each folder, and version of its vectors, of whatever model.
        stamp: of the table.

    Raises:
        PermanentError: a folder's embeddings are damaged.
        UnwritableRootError: the table cannot be written.
    """
    path = plan.layout.approved_voters(plan.model_id)
    mine = [key for key in folders if model_of(plan, key) == plan.model_id]
    stored, left, made_from = _Stored.of(path), dict(approved.tags), dict[str, str]()
    counts = StepCounts(taken=len(left), units=len(mine))
    with TableWriter(path, voters_schema(_dim(plan, mine)), stamp) as writer:
        for key in mine:
            hashes = _hashes(plan, key, left)
            if not hashes:
                continue
            facts = {media: (left[media], approved.rejected[media]) for media in sorted(hashes)}
            made_from[key] = fingerprint(vectors=folders[key], images=facts)
            rows = stored.rows(key, made_from[key])
            is_stored = rows is not None
            for some in [rows] if rows is not None else _voters_of(plan, key, hashes, approved):
                writer.write(some)
                seen = {media for media in some["media_id"].unique().to_pylist() if left.pop(media, None)}
                counts.reused += len(seen) if is_stored else 0
        counts.regions, counts.made, counts.rejected = writer.rows, counts.taken - len(left), len(left)
        stamp.extra |= {"counts": counts.close(TABLE).to_record(), "folders": made_from}


def model_of(plan: PipelinePlan, key: str) -> str:
    """Model id of a folder's vectors; empty where it has none."""
    stamp = read_stamp(plan.layout.folder_tables(key).embeddings)
    return stamp.model_id if stamp else ""


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


def _dim(plan: PipelinePlan, folders: list[str]) -> int:
    if not folders:
        return 1
    schema = read_schema(plan.layout.folder_tables(folders[0]).embeddings)
    return schema.field("embedding").type.list_size


def _hashes(plan: PipelinePlan, key: str, left: Mapping[str, object]) -> dict[str, str]:
    """Perceptual hashes of those images of a folder that are still left, by media id."""
    path = plan.layout.folder_tables(key).images
    images = read_table(path, ["media_id", "phash"], made_by=f"target_images of {key}")
    images = images.filter(pa.array(is_in(images["media_id"], list(left))))
    return dict(zip(images["media_id"].to_pylist(), images["phash"].to_pylist(), strict=True))


def _voters_of(
    plan: PipelinePlan, key: str, hashes: Mapping[str, str], approved: ApprovedImages
) -> Iterator[pa.Table]:
    """Rows of these images, of each those of its first file, some at a time."""
    first_file: dict[str, str] = {}
    path = plan.layout.folder_tables(key).embeddings
    try:
        for batch in iter_batches(path, COLUMNS):
            rows = pa.Table.from_batches([batch])
            rows = rows.filter(pa.array(is_in(rows["media_id"], list(hashes))))
            if not rows.num_rows:
                continue
            files, media = rows["file"].to_pylist(), rows["media_id"].to_pylist()
            is_first = [
                first_file.setdefault(each, file) == file for each, file in zip(media, files, strict=True)
            ]
            yield _with_facts(rows.filter(pa.array(is_first)), key, hashes, approved)
    except (OSError, pa.ArrowException) as error:
        remedy = f"delete it and materialise target_embeddings of {key} again"
        raise PermanentError(f"{path} is damaged ({error}); {remedy}") from error


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
