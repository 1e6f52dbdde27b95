"""A folder's images as the catalog takes them: vectors and boxes of the stored regions, beside what the manifest says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from autotag.domain.catalog_entries import CatalogImage, CatalogObject, Vector, image_id
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError
from autotag.pipeline.folder_embeddings import refuse_stale_embeddings
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import iter_batches, read_schema, read_table

ROWS_A_BATCH = 4096
"""Regions read at a time: 8 MiB of vectors of 512 numbers."""

_COLUMNS = ["file", "region_index", "box_xyxy_px", "class_name", "score", "embedding"]


@dataclass(frozen=True, slots=True)
class ManifestImage:
    """What the manifest says of a file; `taken_at` is in UTC, None where the file does not say."""

    media_id: str
    width: int
    height: int
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class _EmbeddedFile:
    """An image's regions with their vectors."""

    file: str
    embedding: Vector
    objects: tuple[CatalogObject, ...]


def read_manifest(plan: PipelinePlan, key: str) -> dict[str, ManifestImage]:
    """The folder's images by file. A manifest from before dates were read has none.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    path = plan.layout.folder_tables(key).images
    columns = ["file", "media_id", "width", "height"]
    if path.exists() and "taken_at" in read_schema(path).names:
        columns.append("taken_at")
    rows = read_table(path, columns, made_by=f"target_images of {key}").to_pylist()
    return {
        row["file"]: ManifestImage(row["media_id"], row["width"], row["height"], _in_utc(row.get("taken_at")))
        for row in rows
    }


def catalog_images(
    plan: PipelinePlan, key: str, manifest: Mapping[str, ManifestImage], added_at: datetime, images: int
) -> Iterator[list[CatalogImage]]:
    """The folder's images without tags, by file, `images` at a time.

    Args:
        plan: where things are, and which model.
        key: of the folder.
        manifest: of the folder.
        added_at: of images that the catalog has not met, UTC.
        images: most images that are held together.

    Raises:
        MissingInputError: no embeddings of the folder, or they are of an earlier state of it.
        ModelMismatchError: the folder was embedded with another model.
    """
    batch: list[CatalogImage] = []
    for found in _embedded_files(plan, key):
        image = manifest.get(found.file)
        if image is None:
            raise MissingInputError(
                f"{found.file} of {key} is embedded and not in its manifest; materialise target_crops of {key} again"
            )
        batch.append(_entry(key, found, image, added_at))
        if len(batch) == images:
            yield batch
            batch = []
    if batch:
        yield batch


def _entry(key: str, found: _EmbeddedFile, image: ManifestImage, added_at: datetime) -> CatalogImage:
    return CatalogImage(
        image_id=image_id(key, found.file),
        media_id=image.media_id,
        folder=key,
        file=found.file,
        width=image.width,
        height=image.height,
        tags=(),
        taken_at=image.taken_at,
        added_at=added_at,
        embedding=found.embedding,
        objects=found.objects,
    )


def _embedded_files(plan: PipelinePlan, key: str) -> Iterator[_EmbeddedFile]:
    """Files with their regions, from a table in which a file's rows follow each other; batches end inside a file."""
    path = plan.layout.folder_tables(key).embeddings
    made_by = f"target_embeddings of {key}"
    check = refuse_stale_embeddings(plan, key)
    held: pa.Table | None = None
    for batch in iter_batches(path, _COLUMNS, ROWS_A_BATCH, check, made_by=made_by):
        if not len(batch):
            continue
        fresh = pa.Table.from_batches([batch])
        rows = fresh if held is None else pa.concat_tables([held, fresh])
        files = rows["file"].to_pylist()
        begun = files.index(files[-1])  # the last file may go on in the next batch
        yield from _files_of(rows.slice(0, begun))
        held = rows.slice(begun)
    if held is not None:
        yield from _files_of(held)


def _files_of(rows: pa.Table) -> Iterator[_EmbeddedFile]:
    """Whole files of some rows; the first row of each is the whole image."""
    vectors = vectors_from_arrow(rows["embedding"])
    facts = rows.drop_columns(["embedding"]).to_pylist()
    starts = [row for row in range(len(facts)) if row == 0 or facts[row]["file"] != facts[row - 1]["file"]]
    for number, first in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(facts)
        objects = tuple(_object(facts[row], vectors[row]) for row in range(first + 1, end))
        yield _EmbeddedFile(facts[first]["file"], vectors[first].copy(), objects)


def _object(row: Mapping[str, Any], vector: Vector) -> CatalogObject:
    x0, y0, x1, y1 = row["box_xyxy_px"]
    confidence = min(1.0, max(0.0, row["score"]))
    return CatalogObject(row["region_index"], (x0, y0, x1, y1), row["class_name"], confidence, vector.copy())


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
