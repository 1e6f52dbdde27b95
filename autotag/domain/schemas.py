"""Arrow schema of every stored table. Bump `SCHEMA_VERSION` when a column changes meaning."""

import pyarrow as pa

_BOX = pa.list_(pa.field("px", pa.int32(), nullable=False), 4)


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_TAGS = pa.list_(pa.field("tag", pa.string(), nullable=False))

_REGION_FIELDS = [
    _required("region_id", pa.string()),
    _required("media_id", pa.string()),
    _required("region_index", pa.int16()),
    _required("kind", pa.string()),
    _required("box_xyxy_px", _BOX),
    _required("area_px", pa.int64()),
    _required("class_name", pa.string()),
    _required("score", pa.float32()),
]

SOURCE_IMAGES = pa.schema(
    [
        _required("media_id", pa.string()),
        _required("key", pa.string()),
        _required("member", pa.string()),
        _required("offset_bytes", pa.int64()),
        _required("size_bytes", pa.int64()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("format", pa.string()),
        _required("phash", pa.string()),
        _required("tags", _TAGS),
        pa.field("caption", pa.string()),
    ]
)
"""One row an archive image kept, in tar order. Width and height in pixels after EXIF orientation."""

REJECTS = pa.schema(
    [
        _required("key", pa.string()),
        pa.field("offset_bytes", pa.int64()),
        _required("stage", pa.string()),
        _required("reason", pa.string()),
    ]
)
"""One row an image left out, duplicates (stage `duplicate`) included. Offset is null outside shards."""

TARGET_IMAGES = pa.schema(
    [
        _required("file", pa.string()),
        _required("media_id", pa.string()),
        _required("size_bytes", pa.int64()),
        _required("mtime_ns", pa.int64()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("format", pa.string()),
        _required("phash", pa.string()),
    ]
)
"""One row a readable image of a target folder, by file name. `file` is relative to the folder, `/` between parts."""

TARGET_REGIONS = pa.schema(
    [_required("file", pa.string()), *_REGION_FIELDS, pa.field("crop_file", pa.string())]
)
"""One row a region, by file then region index. `crop_file` is null for the whole image."""

EVIDENCE = pa.schema(
    [
        _required("file", pa.string()),
        _required("tag", pa.string()),
        _required("tag_score", pa.float32()),
        _required("region_index", pa.int16()),
        _required("box_xyxy_px", _BOX),
        _required("source_region_id", pa.string()),
        _required("source_media_id", pa.string()),
        _required("source_shard", pa.string()),
        _required("source_key", pa.string()),
        _required("source_box_xyxy_px", _BOX),
        _required("similarity", pa.float32()),
        _required("share", pa.float32()),
    ]
)
"""One row a vote: which source region spoke for a tag, how alike, and its share of the tag's score."""

REFERENCE_REGIONS = pa.schema(
    [
        _required("image", pa.int64()),
        _required("region_index", pa.int16()),
        _required("box_xyxy_px", _BOX),
    ]
)
"""Row i describes vector i of the reference index; `image` is a row of `REFERENCE_IMAGES`. Region 0 is the whole image."""

REFERENCE_IMAGES = pa.schema(
    [
        _required("media_id", pa.binary(32)),
        _required("shard", pa.dictionary(pa.int32(), pa.string())),
        _required("key", pa.string()),
        _required("phash", pa.uint64()),
        _required("first_row", pa.int64()),
        _required("regions", pa.int32()),
        _required("tags", pa.list_(pa.field("tag", pa.int32(), nullable=False))),
    ]
)
"""One row an image of the reference index. `media_id` is the SHA-256 itself; the image's regions are the rows from
`first_row` on; `tags` are rows of `REFERENCE_TAGS`, none twice."""

REFERENCE_TAGS = pa.schema([_required("tag", pa.string()), _required("images", pa.int64())])
"""One row a tag, in order of appearance, and how many images of the reference index have it."""


def source_embeddings(dim: int) -> pa.Schema:
    """Source regions with their vectors, in tar order then region index; unit L2 norm, float16."""
    return pa.schema(
        [
            _required("key", pa.string()),
            *_REGION_FIELDS,
            _required("phash", pa.string()),
            _required("tags", _TAGS),
            _embedding_field(dim),
        ]
    )


def target_embeddings(dim: int) -> pa.Schema:
    """Target regions with their vectors, by file then region index; unit L2 norm, float16."""
    return pa.schema([_required("file", pa.string()), *_REGION_FIELDS, _embedding_field(dim)])


def _embedding_field(dim: int) -> pa.Field:
    return _required("embedding", pa.list_(pa.field("value", pa.float16(), nullable=False), dim))
