import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.vectors import normalise, vectors_from_arrow, vectors_to_arrow


@given(st.integers(0, 20), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_vectors_survive_storage_within_the_precision_of_float16(rows: int, dim: int, seed: int) -> None:
    vectors = normalise(np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32))
    back = vectors_from_arrow(vectors_to_arrow(vectors))
    assert back.shape == (rows, dim)
    assert back.dtype == np.float32
    assert np.abs(back - vectors).max(initial=0) < 2e-3
    assert np.allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)


def test_chunks_and_slices_of_a_column_keep_their_rows() -> None:
    vectors = normalise(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    column = vectors_to_arrow(vectors)
    chunked = pa.chunked_array([column.slice(2, 3), column.slice(5, 0), column.slice(7, 2)])
    assert np.allclose(vectors_from_arrow(chunked), vectors[[2, 3, 4, 7, 8]], atol=2e-3)


def test_a_zero_row_stays_zero() -> None:
    assert not normalise(np.zeros((2, 3), np.float32)).any()
