"""The oracle against a full sort, whatever the batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autotag.reference.exact import exact_neighbours
from autotag.reference.hits import NO_ROW
from autotag.reference.protocols import NeighbourSearcher
from autotag_tests.reference.samples import ExactSearcher, clustered, stream


@given(rows=st.integers(1, 60), parts=st.integers(1, 7), k=st.integers(1, 12), seed=st.integers(0, 5))
def test_streamed_exact_search_equals_a_full_sort(rows: int, parts: int, k: int, seed: int) -> None:
    vectors = clustered(rows, 8, seed)
    queries = clustered(4, 8, seed + 1).astype(np.float32)
    hits = exact_neighbours(queries, stream(vectors, parts), k)
    truth = np.sort(queries @ vectors.astype(np.float32).T, axis=1)[:, ::-1][:, :k]
    found = min(k, rows)
    np.testing.assert_allclose(hits.similarity[:, :found], truth, atol=2e-6)
    assert (hits.rows[:, found:] == NO_ROW).all()
    assert all(len(set(row[:found])) == found for row in hits.rows.tolist())


def test_equal_vectors_come_in_row_order() -> None:
    vectors = np.repeat(clustered(3, 16), 4, axis=0)
    hits = exact_neighbours(vectors[:1].astype(np.float32), stream(vectors, 3), 4)
    assert hits.rows.tolist() == [[0, 1, 2, 3]]


def test_the_exact_searcher_is_a_neighbour_searcher() -> None:
    searcher = ExactSearcher(clustered(20, 8).astype(np.float32))
    assert isinstance(searcher, NeighbourSearcher)
    assert searcher.search(np.zeros((0, 8), np.float32), 3).rows.shape == (0, 3)
