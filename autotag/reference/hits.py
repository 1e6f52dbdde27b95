"""What a nearest-neighbour search returns, and the one rule that orders it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NO_ROW = -1
"""Row of a padded hit: fewer than k neighbours were found."""

_STEPS_PER_UNIT = 2.0**20
# A matrix product gives equal vectors similarities that differ in the last bits, depending on where they
# stand in the batch. On a grid of 2**-20 (stored float16 values differ by 2**-11) they tie, as they should.


@dataclass(frozen=True, slots=True)
class SearchHits:
    """Neighbours of n queries.

    Attributes:
        similarity: float32 (n, k), inner product on a grid of 2**-20, falling along a row; -inf where padded.
        rows: int64 (n, k), row of the index; equal similarities by rising row; -1 where padded, always last.
    """

    similarity: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


def rank_hits(similarity: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int) -> SearchHits:
    """The best k of each query's candidates, in the order of `SearchHits`.

    Args:
        similarity: float32 (n, m), any order; ignored where `rows` is -1.
        rows: int64 (n, m), no row twice in a query; -1 for "none".
        k: neighbours to keep; the result is padded when m < k.
    """
    missing = k - rows.shape[1]
    if missing > 0:
        similarity = np.pad(similarity, ((0, 0), (0, missing)), constant_values=-np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=NO_ROW)
    grid = np.where(rows == NO_ROW, -np.inf, np.rint(similarity.astype(np.float64) * _STEPS_PER_UNIT))
    order = np.lexsort((rows, -grid), axis=1)[:, :k]
    best = np.take_along_axis(grid, order, axis=1) / _STEPS_PER_UNIT
    return SearchHits(best.astype(np.float32), np.take_along_axis(rows, order, axis=1).astype(np.int64))
