"""Images as rows of the catalog's table, and rows as images and hits."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from autotag.catalog.lance.columns import EDITION, EMBEDDING, IMAGE_KIND, OBJECT_KIND, table_schema
from autotag.catalog.lance.predicates import class_marks, folders_above
from autotag.catalog.protocol import CatalogHit, Vectors
from autotag.domain.catalog_entries import FACTS, CatalogImage, CatalogObject
from autotag.domain.catalog_filters import confidence_step

Row = dict[str, Any]

_EDITION_BITS = 63


def drawn_edition() -> int:
    """For an image that is written now: another one than any before."""
    return secrets.randbits(_EDITION_BITS)


def to_table(images: Sequence[CatalogImage], editions: Sequence[int], model_id: str, dim: int) -> pa.Table:
    """Rows of images: each image's whole first, then its objects."""
    schema = table_schema(model_id, dim)
    rows: list[Row] = []
    vectors: list[Vectors] = []
    for image, edition in zip(images, editions, strict=True):
        rows += _rows(image, edition)
        vectors += [image.embedding, *(each.embedding for each in image.objects)]
    numbers = np.concatenate(vectors, dtype=np.float32) if vectors else np.zeros(0, np.float32)
    columns = {name: [row[name] for row in rows] for name in schema.names if name != EMBEDDING}
    columns[EMBEDDING] = pa.FixedSizeListArray.from_arrays(pa.array(numbers), dim)
    return pa.table(columns, schema=schema)


def to_images(table: pa.Table) -> list[CatalogImage]:
    """Images, by id, of rows that hold the columns `WHOLE` of all of each image's regions."""
    return [image for _, image in to_editions(table)]


def to_editions(table: pa.Table) -> list[tuple[int, CatalogImage]]:
    """The same, each with its edition."""
    vectors = vectors_of(table)
    rows = table.drop_columns([EMBEDDING]).to_pylist()
    order = sorted(range(len(rows)), key=lambda place: (rows[place]["image_id"], rows[place]["region_index"]))
    together = groupby(
        ((rows[place], vectors[place]) for place in order), key=lambda each: each[0]["image_id"]
    )
    return [_image(regions) for _, regions in together]


def to_hits(table: pa.Table) -> list[CatalogHit]:
    """Hits of a search's answer, best first; equal scores by image id, then region index."""
    hits = [_hit(row) for row in table.to_pylist()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.image_id, hit.region_index))


def vectors_of(table: pa.Table) -> Vectors:
    """float32 (rows, dim): the vectors of rows."""
    column = table.column(EMBEDDING).combine_chunks()
    dim = column.type.list_size
    return column.flatten().to_numpy().reshape(-1, dim)


def _rows(image: CatalogImage, edition: int) -> Iterator[Row]:
    shared: Row = {
        **dict(zip(FACTS, image.facts(), strict=True)),
        "below": folders_above(image.folder),
        "date": image.date,
        "class_steps": class_marks(image.objects),
        EDITION: edition,
    }
    whole = CatalogObject(0, (0, 0, image.width, image.height), "", 1.0, image.embedding)
    for each in (whole, *image.objects):
        yield shared | {
            "region_id": f"{image.image_id}-{each.region_index:03d}",
            "kind": OBJECT_KIND if each.region_index else IMAGE_KIND,
            "region_index": each.region_index,
            "box_xyxy_px": list(each.box_xyxy_px),
            "class_name": each.class_name,
            "confidence": float(each.confidence),
            "step": confidence_step(each.confidence),
        }


def _image(regions: Iterable[tuple[Row, Vectors]]) -> tuple[int, CatalogImage]:
    (whole, embedding), *rest = regions
    objects = tuple(
        CatalogObject(
            row["region_index"], tuple(row["box_xyxy_px"]), row["class_name"], row["confidence"], vector
        )
        for row, vector in rest
    )
    return whole[EDITION], CatalogImage(**_facts(whole), embedding=embedding, objects=objects)


def _hit(row: Row) -> CatalogHit:
    return CatalogHit(
        **_facts(row),
        score=1 - row["_distance"],
        region_index=row["region_index"],
        box_xyxy_px=tuple(row["box_xyxy_px"]),
        class_name=row["class_name"],
        confidence=row["confidence"],
    )


def _facts(row: Row) -> Row:
    return {name: row[name] for name in FACTS} | {"tags": tuple(row["tags"])}
