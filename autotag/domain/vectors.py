"""Vectors between numpy and Arrow."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def vectors_to_arrow(vectors: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    """float32 (n, dim) -> Arrow fixed_size_list<float16>[dim] with n rows."""
    dim = vectors.shape[1]
    values = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
    field = pa.field("value", pa.float16(), nullable=False)
    return pa.FixedSizeListArray.from_arrays(values, type=pa.list_(field, dim))


def vectors_from_arrow(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float32]:
    """Arrow fixed_size_list<float16>[dim] with n rows -> float32 (n, dim), renormalised to unit L2 norm.

    Float16 storage moves the norm by about 1e-4; inner products are cosines again after this. An empty
    column gives (0, dim).
    """
    dim = column.type.list_size
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [
        chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for chunk in chunks if len(chunk)
    ]
    if not parts:
        return np.zeros((0, dim), dtype=np.float32)
    return normalise(np.concatenate(parts).astype(np.float32))


def normalise(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of float32 (n, dim) divided by their L2 norm; an all-zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
