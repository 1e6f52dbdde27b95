"""Recall against exact search, and the search for an nprobe that reaches a target."""

from pathlib import Path

import numpy as np
import pytest

from autotag.errors import MissingInputError
from autotag.reference.build import build_index
from autotag.reference.choose import plan_index
from autotag.reference.faiss_runtime import read_index
from autotag.reference.hits import NO_ROW, SearchHits
from autotag.reference.protocols import Vectors
from autotag.reference.recall import calibrate, recall_at_k
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag_tests.reference.samples import ExactSearcher, clustered, stream


def searcher_over(vectors: np.ndarray, factory: str, directory: Path) -> ReferenceSearcher:
    plan = plan_index(len(vectors), vectors.shape[1], 1 << 30, factory=factory)
    built = build_index(plan, stream(vectors), directory / "index.faiss")
    return ReferenceSearcher(read_index(built.path), plan.search_params, SearchOptions())


class Shifted(ExactSearcher):
    """Returns neighbours 2..k+1 instead of 1..k."""

    def search(self, queries: Vectors, k: int) -> SearchHits:
        """One too far."""
        hits = super().search(queries, k + 1)
        return SearchHits(hits.similarity[:, 1:], hits.rows[:, 1:])


def test_exact_search_has_recall_one_and_a_shifted_one_misses_a_tenth() -> None:
    vectors = clustered(500, 16)
    probes = clustered(50, 16, seed=4).astype(np.float32)
    held = vectors.astype(np.float32)
    assert recall_at_k(ExactSearcher(held), probes, stream(vectors)) == 1.0
    assert recall_at_k(Shifted(held), probes, stream(vectors)) == pytest.approx(0.9)


def test_an_equal_vector_in_another_row_is_no_miss() -> None:
    vectors = np.repeat(clustered(20, 16), 30, axis=0)
    probes = vectors[::30].astype(np.float32)
    assert recall_at_k(Shifted(vectors.astype(np.float32)), probes, stream(vectors)) == 1.0


def test_fewer_rows_than_k_can_still_be_complete() -> None:
    vectors = clustered(4, 16)
    assert (
        recall_at_k(ExactSearcher(vectors.astype(np.float32)), vectors.astype(np.float32), stream(vectors))
        == 1
    )


@pytest.mark.parametrize(
    ("factory", "least"),
    [("IVF64,SQfp16", 0.97), ("IVF64,SQ8", 0.9), ("IVF64,PQ8x4fs,Refine(SQfp16)", 0.85)],
)
def test_approximate_indexes_reach_their_recall(factory: str, least: float, tmp_path: Path) -> None:
    vectors = clustered(20_000, 32)
    probes = clustered(20_000, 32)[::100].astype(np.float32)
    assert recall_at_k(searcher_over(vectors, factory, tmp_path), probes, stream(vectors)) >= least


def test_calibration_takes_the_first_nprobe_that_reaches_the_target(tmp_path: Path) -> None:
    vectors = clustered(8000, 16, spread=1.5)
    searcher = searcher_over(vectors, "IVF128,SQfp16", tmp_path)
    searcher.tune({"nprobe": 1})
    result = calibrate(searcher, clustered(100, 16, seed=7).astype(np.float32), stream(vectors), 0.8)
    assert list(result.tried) == [1, 2, 4, 8, 16, 32, 64]
    assert list(result.tried.values()) == sorted(result.tried.values())
    first = next(nprobe for nprobe, recall in result.tried.items() if recall >= 0.8)
    assert first > 1
    assert searcher.search_params["nprobe"] == result.search_params["nprobe"] == first
    assert result.recall == result.tried[first]


def test_calibration_looks_at_no_more_lists_where_the_codes_are_what_loses(tmp_path: Path) -> None:
    vectors = clustered(8000, 16)
    searcher = searcher_over(vectors, "IVF128,SQ4", tmp_path)
    searcher.tune({"nprobe": 1})
    result = calibrate(searcher, clustered(100, 16, seed=7).astype(np.float32), stream(vectors), 1.0)
    best = max(result.tried.values())
    assert best < 1.0
    assert best - 0.005 <= result.recall
    lower = [recall for nprobe, recall in result.tried.items() if nprobe < result.search_params["nprobe"]]
    assert all(recall < best - 0.005 for recall in lower)
    assert result.search_params["nprobe"] < 64


def test_calibration_of_a_flat_index_only_measures(tmp_path: Path) -> None:
    vectors = clustered(300, 16)
    result = calibrate(
        searcher_over(vectors, "Flat", tmp_path), vectors.astype(np.float32), stream(vectors), 0.9
    )
    assert result.recall == 1.0
    assert result.search_params == result.tried == {}


class Forgetful(ExactSearcher):
    """Finds each query's own row, and of the others only every second."""

    def search(self, queries: Vectors, k: int) -> SearchHits:
        """The 1st, 2nd, 4th, 6th ..., and padding after them."""
        hits = super().search(queries, 2 * k)
        kept = [0, *range(1, 2 * k, 2)][:k]
        return SearchHits(hits.similarity[:, kept], hits.rows[:, kept])


def test_a_probe_of_the_index_is_no_neighbour_of_itself() -> None:
    vectors = clustered(500, 16)
    own_rows = np.arange(3, 500, 10)
    probes, held = vectors[own_rows].astype(np.float32), vectors.astype(np.float32)
    assert recall_at_k(ExactSearcher(held), probes, stream(vectors), own_rows=own_rows) == 1.0
    forgetful = Forgetful(held)
    assert recall_at_k(forgetful, probes, stream(vectors)) == pytest.approx(0.6)
    assert recall_at_k(forgetful, probes, stream(vectors), own_rows=own_rows) == pytest.approx(0.5)


def test_a_search_that_misses_the_probe_itself_is_judged_by_the_others() -> None:
    vectors = clustered(500, 16)
    own_rows = np.arange(0, 500, 10)
    probes = vectors[own_rows].astype(np.float32)
    shifted = Shifted(vectors.astype(np.float32))
    assert recall_at_k(shifted, probes, stream(vectors), own_rows=own_rows) == 1.0
    assert recall_at_k(shifted, probes, stream(vectors)) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("rows", "k"), [(1, 10), (2, 10), (11, 10), (12, 10)])
def test_few_other_rows_can_still_be_complete(rows: int, k: int) -> None:
    vectors = clustered(rows, 16)
    held = vectors.astype(np.float32)
    assert recall_at_k(ExactSearcher(held), held, stream(vectors), k, np.arange(rows)) == 1.0


def test_nothing_found_beside_oneself_is_no_recall() -> None:
    class OwnOnly(ExactSearcher):
        def search(self, queries: Vectors, k: int) -> SearchHits:
            hits = super().search(queries, k)
            hits.rows[:, 1:], hits.similarity[:, 1:] = NO_ROW, -np.inf
            return hits

    vectors = clustered(5, 16)
    held = vectors.astype(np.float32)
    assert recall_at_k(OwnOnly(held), held, stream(vectors), own_rows=np.arange(5)) == 0.0


def test_calibration_leaves_own_rows_out(tmp_path: Path) -> None:
    vectors = clustered(8000, 16, spread=1.5)
    own_rows = np.arange(0, 8000, 80)
    probes = vectors[own_rows].astype(np.float32)
    searcher = searcher_over(vectors, "IVF128,SQfp16", tmp_path)
    searcher.tune({"nprobe": 1})
    with_itself = calibrate(searcher, probes, stream(vectors), 2.0)
    searcher.tune({"nprobe": 1})
    of_others = calibrate(searcher, probes, stream(vectors), 2.0, own_rows=own_rows)
    # A probe's own row is in the list that is looked at first, so it is always found.
    for nprobe, recall in of_others.tried.items():
        assert recall <= with_itself.tried[nprobe]
        assert with_itself.tried[nprobe] == pytest.approx((1 + 9 * recall) / 10, abs=0.02)
    assert of_others.tried[1] < with_itself.tried[1]


def test_no_probes_is_a_missing_input() -> None:
    with pytest.raises(MissingInputError, match=r"index\.probes"):
        recall_at_k(ExactSearcher(np.ones((1, 2), np.float32)), np.zeros((0, 2), np.float32), lambda: [])
