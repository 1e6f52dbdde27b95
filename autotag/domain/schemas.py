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
        pa.field("taken_at", pa.timestamp("s", tz="UTC")),
    ]
)
"""One row a readable image of a target folder, by file name. `file` is relative to the folder, `/` between parts. `taken_at` is
when the photograph was taken as its EXIF data say, read as UTC where they name no time zone; null where they do not say."""

TARGET_REGIONS = pa.schema(
    [_required("file", pa.string()), *_REGION_FIELDS, pa.field("crop_file", pa.string())]
)
"""One row a region, by file then region index. `crop_file` is null for the whole image."""

TARGET_THUMBNAILS = pa.schema(
    [
        _required("file", pa.string()),
        _required("media_id", pa.string()),
        _required("thumbnail_file", pa.string()),
    ]
)
"""One row an image that has a thumbnail, by file. Images of equal bytes share one."""

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


THRESHOLDS = pa.schema(
    [
        _required("source", pa.string()),
        _required("tag", pa.string()),
        _required("threshold", pa.float32()),
        _required("abstain_from", pa.float32()),
        _required("precision", pa.float32()),
        _required("examples", pa.int64()),
        _required("right", pa.int64()),
        _required("own_weight", pa.float32()),
        _required("reason", pa.string()),
    ]
)
"""One row a source of tags ("vote", "zero_shot") and tag; the tag "" stands for all others. Scores from `abstain_from` up to
`threshold` are for people to judge; `precision` is what is expected above `threshold`; `right` of `examples` were right;
`own_weight` in [0, 1] is how much the tag's own examples count beside its group's."""


REVIEW_EXPORT = pa.schema(
    [
        _required("file", pa.string()),
        _required("media_id", pa.string()),
        _required("approved", _TAGS),
        _required("rejected", _TAGS),
    ]
)
"""One row an image of a review sheet, by file: what people had decided when the sheet was written."""


def label_scores(labels: int) -> pa.Schema:
    """One row an image, by file: its best labels, and its cosine to every label of the list, in the list's order.

    `image_scores` are of the whole image, `scores` of its best region, which `best_region` names by its index.
    """
    return pa.schema(
        [
            _required("file", pa.string()),
            _required("media_id", pa.string()),
            _required("top1", pa.string()),
            _required("top1_score", pa.float32()),
            _required("topk_labels", _TAGS),
            _required("topk_scores", pa.list_(pa.field("score", pa.float32(), nullable=False))),
            _required("over_threshold", _TAGS),
            _required("image_scores", _vector(pa.float16(), labels)),
            _required("scores", _vector(pa.float16(), labels)),
            _required("best_region", _vector(pa.int16(), labels)),
        ]
    )


def label_vectors(dim: int) -> pa.Schema:
    """One row a label, in the list's order: unit L2 norm, float32, the mean over the templates."""
    return pa.schema([_required("label", pa.string()), _required("vector", _vector(pa.float32(), dim))])


_CLUSTER_MEMBER = pa.struct(
    [
        _required("folder", pa.string()),
        _required("file", pa.string()),
        _required("media_id", pa.string()),
        _required("region_index", pa.int16()),
        _required("box_xyxy_px", _BOX),
    ]
)
_CLUSTER_WORD = pa.struct(
    [_required("word", pa.string()), _required("score", pa.float32()), _required("source", pa.string())]
)

CLUSTERS = pa.schema(
    [
        _required("cluster", pa.string()),
        _required("images", pa.int64()),
        _required("regions", pa.int64()),
        _required("cohesion", pa.float32()),
        _required("words", pa.list_(pa.field("word", _CLUSTER_WORD, nullable=False))),
        _required("members", pa.list_(pa.field("member", _CLUSTER_MEMBER, nullable=False))),
    ]
)
"""One row a cluster of regions that nothing explains, the largest first. Its name changes with any member; the members come
nearest to the centre first, the first is the medoid; `cohesion` is their mean cosine to the centre. A word's source is
"vocabulary" (cosine to the centre), "detector" or "remote" (their own scores)."""


def approved_voters(dim: int) -> pa.Schema:
    """Regions of target images whose tags people approved: one row a region, by folder, file and region index.

    `tags` are those approved or added, `rejected` those rejected; both of the image. An image is there once, from the first
    folder that has it.
    """
    return pa.schema(
        [
            _required("media_id", pa.string()),
            _required("folder", pa.string()),
            _required("file", pa.string()),
            _required("phash", pa.string()),
            _required("region_index", pa.int16()),
            _required("box_xyxy_px", _BOX),
            _required("tags", _TAGS),
            _required("rejected", _TAGS),
            _embedding_field(dim),
        ]
    )


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


def _vector(kind: pa.DataType, length: int) -> pa.DataType:
    return pa.list_(pa.field("value", kind, nullable=False), length)
