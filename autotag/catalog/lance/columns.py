"""The columns of the catalog's table.

One row is one region, and every row carries its image's columns: an image is upserted in one commit, and one filter speaks of both.
"""

import pyarrow as pa

from autotag.domain.catalog_entries import FACTS

TABLE = "regions"
SCHEMA_VERSION = "2"

MODEL_KEY = b"autotag.model_id"
SCHEMA_KEY = b"autotag.catalog_schema"
STAMP_KEY = b"autotag.stamp"
"""Drawn when the table is made: its versions are counted from 1, as were those of one that lay in its place before."""

REGION_ID = "region_id"
PRIMARY_KEY = {b"lance-schema:unenforced-primary-key:position": b"1"}
"""What Lance marks the key by: of two writers that insert the same region at once the second one starts again."""

EMBEDDING = "embedding"
EDITION = "edition"
IMAGE_KIND = "image"
OBJECT_KIND = "object"

_AT = pa.timestamp("us", "UTC")
_TEXTS = pa.list_(pa.string())

SHOWN = (*FACTS, "region_index", "box_xyxy_px", "class_name", "confidence")
"""What a hit tells."""

WHOLE = (*SHOWN, EDITION, EMBEDDING)
"""What images are put together from."""


def stamp_of(schema: pa.Schema) -> str:
    """Which table it is; empty for those made before there were stamps."""
    return (schema.metadata or {}).get(STAMP_KEY, b"").decode()


def table_schema(model_id: str, dim: int, stamp: str = "") -> pa.Schema:
    """All columns.

    `below` holds the keys of the folder and of those above it, `class_steps` what `class_marks` says of the image's objects,
    `date` what date filters look at, `edition` a number drawn each time the image is written, `step` the object's own confidence in hundredths.
    """
    columns: list[tuple[str, pa.DataType]] = [
        (REGION_ID, pa.string()),
        ("image_id", pa.string()),
        ("kind", pa.string()),
        ("region_index", pa.int32()),
        ("media_id", pa.string()),
        ("folder", pa.string()),
        ("below", _TEXTS),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("tags", _TEXTS),
        ("date", _AT),
        ("added_at", _AT),
        ("box_xyxy_px", pa.list_(pa.int32(), 4)),
        ("class_name", pa.string()),
        ("confidence", pa.float64()),
        ("step", pa.int32()),
        ("class_steps", _TEXTS),
        (EDITION, pa.int64()),
        (EMBEDDING, pa.list_(pa.float32(), dim)),
    ]
    fields = [
        pa.field(name, kind, nullable=False, metadata=PRIMARY_KEY if name == REGION_ID else None)
        for name, kind in columns
    ]
    facts = {MODEL_KEY: model_id, SCHEMA_KEY: SCHEMA_VERSION} | ({STAMP_KEY: stamp} if stamp else {})
    return pa.schema(
        [*fields, pa.field("taken_at", _AT)],
        metadata={key: fact.encode() for key, fact in facts.items()},
    )
