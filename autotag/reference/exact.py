"""Exact search with numpy over a stream of vectors: the oracle that recall is measured against.

Holds one block of one batch and the best k so far, whatever the number of vectors.
"""

from collections.abc import Iterator

import numpy as np

from autotag.reference.hits import SearchHits, rank_hits
from autotag.reference.protocols import VectorBatches, Vectors, checked_queries

_BLOCK_ROWS = 8192
"""Rows compared at a time: 500 queries make a block of 16 MiB."""


def blocks(batches: VectorBatches) -> Iterator[tuple[int, Vectors]]:
    """The stream cut into float32 blocks of at most 8192 rows, each with the row id of its first vector."""
    start = 0
    for batch in batches():
        for low in range(0, len(batch), _BLOCK_ROWS):
            block = np.asarray(batch[low : low + _BLOCK_ROWS], dtype=np.float32)
            yield start + low, block
        start += len(batch)


def exact_neighbours(queries: Vectors, batches: VectorBatches, k: int) -> SearchHits:
    """The true k nearest rows of each query.

    Args:
        queries: float32 (n, dim).
        batches: the vectors, see `VectorBatches`.
        k: neighbours a query; padded when the stream is shorter.

    Raises:
        ModelMismatchError: queries and vectors differ in length.
    """
    best = empty_hits(len(queries))
    for start, block in blocks(batches):
        similarity = checked_queries(queries, block.shape[1]) @ block.T
        best = merge_block(best, similarity, start, k)
    return rank_hits(best.similarity, best.rows, k)


def empty_hits(queries: int) -> SearchHits:
    """No candidates yet for n queries: arrays of shape (n, 0)."""
    return SearchHits(np.zeros((queries, 0), np.float32), np.zeros((queries, 0), np.int64))


def merge_block(best: SearchHits, similarity: Vectors, start: int, k: int) -> SearchHits:
    """The best k of the candidates so far and of a block.

    Args:
        best: candidates so far.
        similarity: float32 (n, m), inner products with rows start .. start + m - 1.
        start: row id of the block's first vector.
        k: candidates to keep.
    """
    rows = np.broadcast_to(np.arange(start, start + similarity.shape[1]), similarity.shape)
    joined_similarity = np.concatenate([best.similarity, similarity], axis=1)
    joined_rows = np.concatenate([best.rows, rows], axis=1)
    keep = min(2 * k, joined_rows.shape[1])  # twice k, so that ties at the edge are settled by row id
    if keep < joined_rows.shape[1]:
        top = np.argpartition(-joined_similarity, keep - 1, axis=1)[:, :keep]
        joined_similarity = np.take_along_axis(joined_similarity, top, axis=1)
        joined_rows = np.take_along_axis(joined_rows, top, axis=1)
    return rank_hits(joined_similarity, joined_rows, min(k, keep))
