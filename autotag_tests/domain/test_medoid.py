"""The medoid: nearest the centre, whatever the order of rows."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.medoid import TIE, medoid
from autotag.domain.vectors import normalise


def units(seed: int, count: int, dim: int = 6) -> npt.NDArray[np.float32]:
    return normalise(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


def test_the_one_in_the_middle_is_found() -> None:
    angles = np.radians([0, 15, 20, 30, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = medoid(vectors, ["a", "b", "c", "d", "e"])
    assert found is not None
    centre = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    assert found.index == 2
    assert found.cosine == pytest.approx(float(vectors[2] @ centre), abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_none_is_nearer_and_the_order_of_rows_does_not_matter(seed: int, count: int) -> None:
    vectors, names = units(seed, count), [f"n{i:02d}" for i in range(count)]
    found = medoid(vectors, names)
    assert found is not None
    centre = normalise(vectors.mean(axis=0, keepdims=True))[0]
    assert (vectors @ centre).max() <= found.cosine + 1e-5
    assert -1 <= found.cosine <= 1
    order = np.random.default_rng(seed + 1).permutation(count)
    again = medoid(vectors[order], [names[i] for i in order])
    assert again is not None
    assert names[order[again.index]] == names[found.index]


@given(st.permutations(["b", "a", "d", "c"]))
def test_of_equal_ones_the_first_by_name_is_taken(names: list[str]) -> None:
    vectors = np.repeat(units(3, 1), 4, axis=0)
    found = medoid(vectors, names)
    assert found is not None
    assert names[found.index] == "a"
    assert found.cosine == pytest.approx(1.0)


def test_rounding_does_not_tell_copies_apart() -> None:
    vectors = np.repeat(units(5, 1), 2, axis=0)
    vectors[0] *= np.float32(1 + TIE / 10)
    found = medoid(vectors, ["z", "a"])
    assert found is not None
    assert found.index == 1


def test_vectors_that_cancel_out_have_no_centre() -> None:
    up = units(7, 1)
    found = medoid(np.concatenate([up, -up]), ["b", "a"])
    assert found is not None
    assert (found.index, found.cosine) == (1, 0.0)


def test_of_nothing_there_is_none() -> None:
    assert medoid(np.zeros((0, 4), np.float32), []) is None
