"""What the rest of autotag may rely on when it asks for nearest neighbours, and how vectors are streamed."""

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from autotag.errors import ModelMismatchError
from autotag.reference.hits import SearchHits

Vectors = npt.NDArray[np.float32]
Batch = npt.NDArray[np.float16 | np.float32]
VectorBatches = Callable[[], Iterable[Batch]]
"""Starts a fresh stream over the same vectors in the same order: float16 or float32 (n, dim) a batch, unit L2
norm. Row ids count up from 0 over the whole stream."""


@runtime_checkable
class NeighbourSearcher(Protocol):
    """Finds the nearest rows of one reference index by inner product."""

    @property
    def rows(self) -> int:
        """Vectors in the index."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def search(self, queries: Vectors, k: int) -> SearchHits:
        """Neighbours of float32 (n, dim) queries, one result row a query, in order.

        More than `rows` neighbours are padded. Empty queries give arrays of shape (0, k).

        Raises:
            ModelMismatchError: the queries have another length than the index's vectors.
        """
        ...


def checked_queries(queries: Vectors, dim: int) -> Vectors:
    """Queries as contiguous float32 (n, dim).

    Raises:
        ModelMismatchError: another shape, so another model made them.
    """
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise ModelMismatchError(
            f"queries have shape {queries.shape}, the reference index holds vectors of length {dim};"
            " embed the queries with the model the index was built with, or run `autotag build-index` for this model"
        )
    return np.ascontiguousarray(queries, dtype=np.float32)
