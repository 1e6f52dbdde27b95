"""Rows of label_scores.parquet, a block of images at a time: scored from stored vectors, or read back; then ranked."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.label_ranking import best_of_regions, rank
from autotag.domain.schemas import label_scores
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import PermanentError
from autotag.models.protocols import Vectors
from autotag.storage.tables import ROW_GROUP_ROWS, StampCheck, iter_batches

SCORES_A_BLOCK = 4_000_000
"""Regions times labels that are in memory as float32 together; some more where one image has very many."""

SCORES_A_GROUP = 1_000_000
"""Images times labels of a row group: an image's scores are looked up without reading many others."""

_FIRST_REGION = 0
_EMBEDDING_COLUMNS = ["file", "media_id", "region_index", "embedding"]
_STORED_COLUMNS = ["file", "media_id", "image_scores", "scores", "best_region"]


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of some images, as they are stored: rounded, so that a ranking made later is the same.

    Attributes:
        files: of the images.
        media_ids: of the images.
        image_scores: float16 (images, labels), cosine of the whole image, in [-1, 1].
        scores: float16 (images, labels), cosine of the best region.
        best_region: int16 (images, labels), index of that region.
    """

    files: pa.Array
    media_ids: pa.Array
    image_scores: npt.NDArray[np.float16]
    scores: npt.NDArray[np.float16]
    best_region: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class RankedRows:
    """Rows to be written.

    Attributes:
        table: of the schema `label_scores`.
        top1: images by best label.
        over: labels over their thresholds, over all images.
        images_over: images with at least one.
    """

    table: pa.Table
    top1: Counter[str]
    over: int
    images_over: int


def rows_at_once(labels: int) -> int:
    """Rows of this many labels that fit into memory with what is made of them."""
    return max(1, min(ROW_GROUP_ROWS, SCORES_A_BLOCK // labels))


def rows_a_group(labels: int) -> int:
    """Rows of a row group of label_scores.parquet."""
    return max(1, min(ROW_GROUP_ROWS, SCORES_A_GROUP // labels))


def scored_blocks(path: UPath, labels: Vectors, check: StampCheck) -> Iterator[ScoreBlock]:
    """Score a folder's embeddings, by file.

    Args:
        path: of the embeddings: by file then region index, each image from region 0 on, without a gap.
        labels: float32 (labels, dim), unit L2 norm.
        check: of the embeddings' stamp.

    Raises:
        PermanentError: the vectors have another length than the labels'.
    """
    waiting: list[pa.Table] = []
    for batch in iter_batches(path, _EMBEDDING_COLUMNS, rows_at_once(len(labels)), check):
        rows = pa.Table.from_batches([batch])
        first = np.flatnonzero(rows["region_index"].to_numpy() == _FIRST_REGION)
        if len(first):  # what lies before the last image's first region is of whole images
            waiting.append(rows.slice(0, int(first[-1])))
            yield from _scored(waiting, labels)
            waiting = [rows.slice(int(first[-1]))]
        else:
            waiting.append(rows)
    yield from _scored(waiting, labels)


def _scored(pieces: list[pa.Table], labels: Vectors) -> Iterator[ScoreBlock]:
    rows = pa.concat_tables(pieces) if pieces else None
    if not rows:
        return
    vectors = vectors_from_arrow(rows["embedding"])
    if vectors.shape[1] != labels.shape[1]:
        raise PermanentError(
            f"vectors of length {vectors.shape[1]} cannot be compared to labels of length {labels.shape[1]}; the model"
            " fingerprints do not tell its spaces apart"
        )
    first = np.flatnonzero(rows["region_index"].to_numpy() == _FIRST_REGION)
    # Rounding may lead a hair beyond 1.
    cosines = np.clip(vectors @ labels.T, -1, 1)
    best, best_region = best_of_regions(cosines, first)
    images = rows.take(pa.array(first))
    yield ScoreBlock(
        images["file"].combine_chunks(),
        images["media_id"].combine_chunks(),
        cosines[first].astype(np.float16),
        best.astype(np.float16),
        best_region,
    )


def stored_blocks(path: UPath, labels: int) -> Iterator[ScoreBlock]:
    """The scores of a table written before, in its order."""
    for batch in iter_batches(path, _STORED_COLUMNS, rows_at_once(labels)):
        image_scores, scores, regions = (
            batch.column(name).flatten().to_numpy(zero_copy_only=False).reshape(len(batch), labels)
            for name in _STORED_COLUMNS[2:]
        )
        yield ScoreBlock(batch.column("file"), batch.column("media_id"), image_scores, scores, regions)


def ranked_rows(
    block: ScoreBlock, labels: Sequence[str], topk: int, thresholds: npt.NDArray[np.float32]
) -> RankedRows:
    """Rows of a block: its scores, and what the rules make of them.

    Args:
        block: of one image or more.
        labels: in list order.
        topk: labels kept an image, at least 1.
        thresholds: float32 (labels,).
    """
    scores = block.scores.astype(np.float32)
    ranked = rank(scores, topk, thresholds)
    names, schema = pa.array(labels, pa.string()), label_scores(len(labels))
    top_scores = np.take_along_axis(scores, ranked.top, axis=1)
    kept, over = ranked.top.shape[1], np.bincount(ranked.over_image, minlength=len(scores))
    top1 = names.take(pa.array(ranked.top[:, 0]))
    columns = {
        "file": block.files,
        "media_id": block.media_ids,
        "top1": top1,
        "top1_score": top_scores[:, 0],
        "topk_labels": _lists(names.take(pa.array(ranked.top.ravel())), np.full(len(scores), kept)),
        "topk_scores": _lists(pa.array(top_scores.ravel()), np.full(len(scores), kept)),
        "over_threshold": _lists(names.take(pa.array(ranked.over_label)), over),
        **{
            name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=schema.field(name).type)
            for name, values in (
                ("image_scores", block.image_scores),
                ("scores", block.scores),
                ("best_region", block.best_region),
            )
        },
    }
    table = pa.table(columns).cast(schema)
    return RankedRows(table, Counter(top1.to_pylist()), int(over.sum()), int(np.count_nonzero(over)))


def _lists(values: pa.Array, lengths: npt.NDArray[np.int64]) -> pa.ListArray:
    """One list a length, in order."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
