"""Clustered unit vectors, and an exact searcher over vectors in memory, for tests."""

import numpy as np
import numpy.typing as npt

from autotag.reference.exact import exact_neighbours
from autotag.reference.hits import SearchHits
from autotag.reference.protocols import VectorBatches, Vectors, checked_queries


def clustered(rows: int, dim: int, seed: int = 0, spread: float = 0.4) -> npt.NDArray[np.float16]:
    """float16 (rows, dim), unit norm, around rows / 40 centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(2, rows // 40), dim))
    vectors = centres[rng.integers(0, len(centres), rows)] + spread * rng.standard_normal((rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def stream(vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], parts: int = 5) -> VectorBatches:
    """The same vectors in `parts` batches, again at every call."""
    return lambda: np.array_split(vectors, parts)


class ExactSearcher:
    """A `NeighbourSearcher` that compares every vector."""

    def __init__(self, vectors: Vectors) -> None:
        """`vectors`: float32 (rows, dim), unit L2 norm; kept, not copied."""
        self._vectors = vectors

    @property
    def rows(self) -> int:
        """Vectors held."""
        return self._vectors.shape[0]

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._vectors.shape[1]

    def search(self, queries: Vectors, k: int) -> SearchHits:
        """See `NeighbourSearcher.search`."""
        return exact_neighbours(checked_queries(queries, self.dim), lambda: [self._vectors], k)
