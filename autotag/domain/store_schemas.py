"""Arrow schemas of a retrieval store's tables."""

import pyarrow as pa


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


LISTED_FILES = pa.schema(
    [_required("file", pa.string()), _required("size_bytes", pa.int64()), _required("mtime_ns", pa.int64())]
)
"""One row a file that may be an image, unread. `file` is its absolute path or URI."""

STORE_FILES = pa.schema(
    [
        *LISTED_FILES,
        _required("media_id", pa.string()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("format", pa.string()),
        _required("phash", pa.string()),
    ]
)
"""One row a readable image file, by path. Width and height in pixels after EXIF orientation."""

STORE_IMAGES = pa.schema([*STORE_FILES, _required("files", pa.int32())])
"""One row an image: the first by path of the `files` files that have its bytes. By path."""

STORE_MAPPING = pa.schema(
    [
        _required("media_id", pa.string()),
        _required("file", pa.string()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("embedded_at", pa.timestamp("us", "UTC")),
    ]
)
"""Row i describes vector i of a store's index."""


def store_embeddings(dim: int) -> pa.Schema:
    """One row an image that was embedded: the whole image's vector, unit L2 norm, float16."""
    vector = pa.list_(pa.field("value", pa.float16(), nullable=False), dim)
    return pa.schema(
        [
            _required("media_id", pa.string()),
            _required("file", pa.string()),
            _required("embedded_at", pa.timestamp("us", "UTC")),
            _required("embedding", vector),
        ]
    )
