"""Vectors in memory: the nearest are found, with codes and without, whatever is allowed."""

import numpy as np
import pytest

from autotag.catalog.protocol import Vectors
from autotag.catalog.resident import vector_codes
from autotag.catalog.resident.vector_codes import VectorCodes
from autotag.domain.vectors import normalise

DIM, ROWS, K = 32, 3000, 10


@pytest.fixture(autouse=True)
def codes_from_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_codes, "EXACT_ROWS", 500)
    monkeypatch.setattr(vector_codes, "CANDIDATES", 400)


def drawn(rows: int, seed: int = 0) -> Vectors:
    return normalise(np.random.default_rng(seed).standard_normal((rows, DIM)).astype(np.float32))


def learned(vectors: Vectors) -> VectorCodes:
    codes = VectorCodes(DIM)
    codes.add(vectors)
    assert codes.should_learn()
    codes.learn()
    assert not codes.should_learn()
    return codes


def right(vectors: Vectors, query: Vectors, allowed: vector_codes.Mask | None = None) -> set[int]:
    cosines = vectors @ query
    if allowed is not None:
        cosines = np.where(allowed, cosines, -2)
    return set(np.argsort(-cosines)[:K].tolist())


class TestVectorCodes:
    def test_nearly_all_of_the_nearest_are_found_best_first(self) -> None:
        vectors = drawn(ROWS)
        codes, shares = learned(vectors), []
        for query in drawn(30, seed=1):
            found, scores = codes.nearest(query, K)
            np.testing.assert_allclose(scores, vectors[found] @ query, atol=1e-3)
            assert np.all(np.diff(scores) <= 0)
            shares.append(len(right(vectors, query) & set(found.tolist())) / K)
        assert np.mean(shares) >= 0.95

    def test_so_they_are_where_few_numbers_say_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vector_codes, "CANDIDATES", 100)
        monkeypatch.setattr(vector_codes, "CANDIDATES_A_HIT", 10)
        vectors, shares = drawn(ROWS), []
        vectors[:, DIM // 4 :] *= 0.05
        near = vectors[:30] + np.float32(0.05) * drawn(30, seed=1)
        vectors, queries = normalise(vectors), normalise(near.astype(np.float32))
        codes = learned(vectors)
        for query in queries:
            shares.append(len(right(vectors, query) & set(codes.nearest(query, K)[0].tolist())) / K)
        assert np.mean(shares) >= 0.95

    def test_without_codes_all_are_compared(self) -> None:
        vectors, query = drawn(400), drawn(1, seed=1)[0]
        codes = VectorCodes(DIM)
        codes.add(vectors)
        assert not codes.should_learn()
        assert set(codes.nearest(query, K)[0].tolist()) == right(vectors, query)

    @pytest.mark.parametrize("one_in", [2, 10, 1000])
    def test_only_what_is_allowed_is_found_and_all_of_it(self, one_in: int) -> None:
        vectors = drawn(ROWS)
        allowed = np.arange(ROWS) % one_in == 0
        found, _ = learned(vectors).nearest(drawn(1, seed=1)[0], 2000, allowed)
        assert len(found) == min(2000, allowed.sum())
        assert allowed[found].all()

    def test_what_is_allowed_may_lie_far_from_the_query(self) -> None:
        vectors, query = drawn(ROWS), drawn(1, seed=1)[0]
        allowed = vectors @ query < 0
        found, _ = learned(vectors).nearest(query, K, allowed)
        assert set(found.tolist()) == right(vectors, query, allowed)

    def test_rows_added_after_the_codes_are_found(self) -> None:
        codes, late = learned(drawn(ROWS)), drawn(5, seed=2)
        codes.add(late)
        found, scores = codes.nearest(late[3], 1)
        assert (found.tolist(), len(codes)) == ([ROWS + 3], ROWS + 5)
        assert 1 - 1e-3 <= scores[0] <= 1

    def test_codes_are_made_anew_when_there_is_much_more(self) -> None:
        codes = learned(drawn(600))
        codes.add(drawn(ROWS))
        assert codes.should_learn()

    def test_room_that_is_made_beforehand_changes_nothing(self) -> None:
        vectors, codes = drawn(300), VectorCodes(DIM)
        codes.add(vectors[:100])
        codes.reserve(300)
        assert len(codes) == 100
        codes.add(vectors[100:])
        codes.reserve(10)
        np.testing.assert_allclose(codes.at(np.arange(300)), vectors, atol=1e-3)
        assert set(codes.nearest(vectors[7], K)[0].tolist()) == right(vectors, vectors[7])

    def test_nothing_there_and_nothing_allowed(self) -> None:
        codes = VectorCodes(DIM)
        assert codes.nearest(drawn(1)[0], K)[0].tolist() == []
        codes.add(drawn(3))
        assert codes.nearest(drawn(1)[0], K, np.zeros(3, np.bool_))[0].tolist() == []
        assert len(codes.nearest(drawn(1)[0], K)[0]) == 3
