"""Clustered unit vectors for the tests of this room."""

import numpy as np
import numpy.typing as npt

from autotag.reference.protocols import VectorBatches


def clustered(rows: int, dim: int, seed: int = 0, spread: float = 0.4) -> npt.NDArray[np.float16]:
    """float16 (rows, dim), unit norm, around rows / 40 centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(2, rows // 40), dim))
    vectors = centres[rng.integers(0, len(centres), rows)] + spread * rng.standard_normal((rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def stream(vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], parts: int = 5) -> VectorBatches:
    """The same vectors in `parts` batches, again at every call."""
    return lambda: np.array_split(vectors, parts)
