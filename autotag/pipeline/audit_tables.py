"""Audits of what lies on disk, a partition at a time: counts close, tables hold what their counts say, vectors are sound."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from upath import UPath

from autotag.domain.arrow_columns import is_equal, is_in, list_lengths
from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag.storage.tables import Stamp, count_rows, iter_batches, read_stamp, read_table

NORM_SLACK = 2e-3
"""Stored as float16, a unit vector's norm moves by less than this."""

ROWS_A_BATCH = 16_384

LEAST_TAGGED = 0.5
"""Share of a shard's images that have tags where its tags table is its own, in an archive worth asking."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit of one partition came to.

    Attributes:
        items: rows looked at.
        faults: one sentence each; none = sound.
    """

    items: int
    faults: tuple[str, ...]


Auditor = Callable[[PipelinePlan, str], Audit]
"""Audits one partition; a table that is not there is a `MissingInputError`."""


def audit_source_images(plan: PipelinePlan, shard: str) -> Audit:
    """Manifest of a shard: rows and rejects are what its counts say, no image is there twice."""
    tables = plan.layout.source(plan.model_id)
    counts, _ = _counts(tables.images(shard))
    media = read_table(tables.images(shard), ["media_id"])["media_id"]
    rejects = count_rows(tables.rejects(shard))
    faults = _faults(
        _closes(counts),
        _equal("rows of the manifest", len(media), "images out", counts.made),
        _equal("rows of rejects", rejects, "rejected and duplicates", counts.rejected + counts.duplicates),
        _equal("different media ids", len(media.unique()), "rows of the manifest", len(media)),
    )
    return Audit(len(media) + rejects, faults)


def audit_joined_tags(plan: PipelinePlan, shard: str) -> Audit:
    """Tags of a shard: at least half of its images have some; else the table is likely another shard's."""
    tags = read_table(plan.layout.source(plan.model_id).images(shard), ["tags"])["tags"]
    tagged = int(np.count_nonzero(list_lengths(tags)))
    fault = f"{tagged} of {len(tags)} images have tags; is {plan.layout.tags(shard)} the table of this shard?"
    return Audit(len(tags), (fault,) if tagged < LEAST_TAGGED * len(tags) else ())


def audit_source_embeddings(plan: PipelinePlan, shard: str) -> Audit:
    """Regions of a shard: every image of the manifest is embedded or rejected, vectors have unit norm."""
    tables = plan.layout.source(plan.model_id)
    counts, stamp = _counts(tables.embeddings(shard))
    regions = _regions(tables.embeddings(shard), "media_id")
    faults = _faults(
        _closes(counts),
        _model(stamp, plan.model_id),
        _equal("images in", counts.taken, "rows of the manifest", count_rows(tables.images(shard))),
        _equal("rows of rejects", count_rows(tables.embedding_rejects(shard)), "rejected", counts.rejected),
        _equal("rows", regions.rows, "regions", counts.regions),
        _equal("images with rows", regions.images, "images out", counts.made),
        *regions.faults,
    )
    return Audit(regions.rows, faults)


def audit_target_images(plan: PipelinePlan, key: str) -> Audit:
    """Manifest of a folder: rows and rejects are what its counts say, no file is there twice."""
    tables = plan.layout.folder_tables(key)
    counts, _ = _counts(tables.images)
    files = read_table(tables.images, ["file"])["file"]
    rejects = count_rows(tables.rejects)
    faults = _faults(
        _closes(counts),
        _equal("rows of the manifest", len(files), "images out", counts.made),
        _equal("rows of rejects", rejects, "rejected", counts.rejected),
        _equal("different files", len(files.unique()), "rows of the manifest", len(files)),
    )
    return Audit(len(files) + rejects, faults)


def audit_target_crops(plan: PipelinePlan, key: str) -> Audit:
    """Regions of a folder: every image has its regions or a reject, every object its crop on disk."""
    tables = plan.layout.folder_tables(key)
    counts, stamp = _counts(tables.regions)
    rows = read_table(tables.regions, ["file", "kind", "crop_file"])
    expected = {f"{tables.crops.path}/{name}" for name in rows["crop_file"].drop_null().to_pylist()}
    on_disk = set(tables.crops.fs.find(tables.crops.path)) if tables.crops.exists() else set()
    faults = _faults(
        _closes(counts),
        _model(stamp, plan.model_id, detector_only=True),
        _equal("images in", counts.taken, "rows of the manifest", count_rows(tables.images)),
        _equal("rows of rejects", count_rows(tables.region_rejects), "rejected", counts.rejected),
        _equal("rows", rows.num_rows, "regions", counts.regions),
        _equal("images with rows", len(rows["file"].unique()), "images out", counts.made),
        _equal("whole images", int(is_equal(rows["kind"], "image").sum()), "images out", counts.made),
        _equal("crops on disk", len(expected & on_disk), "objects", len(expected)),
        _equal("files among the crops that no region names", len(on_disk - expected), "none", 0),
    )
    return Audit(rows.num_rows, faults)


def audit_target_embeddings(plan: PipelinePlan, key: str) -> Audit:
    """Vectors of a folder: every image with regions is embedded or rejected, all its regions, with unit norm."""
    tables = plan.layout.folder_tables(key)
    counts, stamp = _counts(tables.embeddings)
    regions = _regions(tables.embeddings, "file")
    recorded = read_table(tables.regions, ["file"])["file"]
    rejected = read_table(tables.embedding_rejects, ["key"])["key"].to_pylist()
    lost = int(is_in(recorded, rejected).sum())
    faults = _faults(
        _closes(counts),
        _model(stamp, plan.model_id),
        _equal("images in", counts.taken, "images with regions", len(recorded.unique())),
        _equal("rows of rejects", len(rejected), "rejected", counts.rejected),
        _equal("rows", regions.rows, "regions of images that are not rejected", len(recorded) - lost),
        _equal("images with rows", regions.images, "images out", counts.made),
        *regions.faults,
    )
    return Audit(regions.rows, faults)


def audit_folder_tags(plan: PipelinePlan, key: str) -> Audit:
    """Tags of a folder: every image of the manifest is in tags.json or in a rejects table, and none else."""
    tables = plan.layout.folder_tables(key)
    manifest = set(read_table(tables.images, ["file"])["file"].to_pylist())
    tagged = [image.file for image in read_folder_tags(plan, key).images]
    rejected = {
        name
        for path in (tables.region_rejects, tables.embedding_rejects)
        for name in read_table(path, ["key"])["key"].to_pylist()
    }
    faults = _faults(
        _named("images of the manifest are neither tagged nor rejected", manifest - set(tagged) - rejected),
        _named("images of tags.json are not in the manifest", set(tagged) - manifest),
        _named("images of tags.json are rejected as well", set(tagged) & rejected),
        _equal("entries of tags.json", len(tagged), "different files", len(set(tagged))),
    )
    return Audit(len(manifest), faults)


@dataclass(frozen=True, slots=True)
class _Regions:
    rows: int
    images: int
    faults: tuple[str, ...]


def _regions(path: UPath, image_column: str) -> _Regions:
    """One look at a table of vectors, a batch at a time."""
    rows, whole, off, worst = 0, 0, 0, 0.0
    images: set[str] = set()
    for batch in iter_batches(path, [image_column, "kind", "embedding"], ROWS_A_BATCH):
        column = batch.column(2)
        vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
        slack = np.abs(np.linalg.norm(vectors, axis=1) - 1)
        bad = ~(slack <= NORM_SLACK)  # also where a number is none
        rows, off, worst = rows + len(batch), off + int(bad.sum()), max(worst, float(slack.max(initial=0)))
        whole += int(is_equal(batch.column(1), "image").sum())
        images.update(batch.column(0).to_pylist())
    faults = _faults(
        f"{off} vectors have no unit norm (off by up to {worst:.3g})" if off else "",
        _equal("whole images", whole, "images with rows", len(images)),
    )
    return _Regions(rows, len(images), faults)


def _counts(path: UPath) -> tuple[StepCounts, Stamp]:
    stamp = read_stamp(path)
    if stamp is None or "counts" not in stamp.extra:
        raise MissingInputError(f"{path} is not there, or not whole; materialise the asset again")
    return StepCounts(**stamp.extra["counts"]), stamp


def _closes(counts: StepCounts) -> str:
    out = counts.made + counts.rejected + counts.duplicates
    return _equal("images in", counts.taken, "out, rejected and duplicates", out)


def _model(stamp: Stamp, model_id: str, *, detector_only: bool = False) -> str:
    found, wanted = stamp.model_id, model_id
    if detector_only:
        found, wanted = found.partition("+")[0], wanted.partition("+")[0]
    return "" if found == wanted else f"made by {found}, the settings name {wanted}"


def _equal(what: str, count: int, other: str, other_count: int) -> str:
    return "" if count == other_count else f"{what}: {count}, {other}: {other_count}"


def _named(what: str, files: set[str]) -> str:
    return f"{len(files)} {what}, such as {min(files)}" if files else ""


def _faults(*sentences: str) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence)
