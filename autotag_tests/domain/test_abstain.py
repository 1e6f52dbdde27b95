"""The cut: as many false alarms as were asked for, whatever the catalog's size, and untouched by what does match."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.abstain import LEAST_SIMILARITIES, Background, background_of, background_of_queries


def chance(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return (0.02 + 0.05 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("regions", [1, 100, 2000])
@pytest.mark.parametrize("false_alarms", [0.05, 0.3])
def test_the_best_of_so_many_unrelated_regions_reaches_it_as_often_as_was_asked(
    regions: int, false_alarms: float
) -> None:
    background = background_of(chance((100_000,)))
    assert background is not None
    best = chance((1000, regions), seed=1).max(axis=1)
    alarms = float((best >= background.cut(regions, false_alarms)).mean())
    assert alarms == pytest.approx(false_alarms, abs=0.4 * false_alarms)


def test_pairs_that_match_hardly_move_it() -> None:
    pure = background_of(chance((50_000,)))
    mixed = background_of(np.concatenate([chance((50_000,)), np.full(2500, 0.6, np.float32)]))
    assert pure is not None
    assert mixed is not None
    assert mixed.cut(1000, 0.05) == pytest.approx(pure.cut(1000, 0.05), abs=0.01)


@pytest.mark.parametrize(("kinds", "alike"), [(1, 60), (5, 40), (40, 5), (200, 1)])
def test_regions_that_are_alike_make_no_more_chances_than_one_of_them(kinds: int, alike: int) -> None:
    def scores(queries: int, seed: int) -> np.ndarray:
        small = 0.001 * np.random.default_rng(seed).standard_normal((queries, kinds * alike))
        return (np.repeat(chance((queries, kinds), seed), alike, axis=1) + small).astype(np.float32)

    background = background_of_queries(scores(140, 0))
    assert background is not None
    cut = background.cut(kinds * alike, 0.05)
    alarms = float((scores(20_000, 1).max(axis=1) >= cut).mean())
    assert alarms == pytest.approx(0.05, abs=0.025)


def test_queries_that_match_make_no_region_count_more_than_once() -> None:
    scores = chance((140, 300))
    scores[:, 7] = 0.9
    background = background_of_queries(scores)
    assert background is not None
    assert background.apart == 1.0


@given(st.integers(1, 60), st.integers(20, 60), st.integers(0, 9))
def test_at_least_one_region_counts_and_never_more_than_there_are(
    regions: int, queries: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).standard_t(2, (queries, regions)).astype(np.float32)
    background = background_of_queries(scores)
    assert (background is None) == (queries * regions < LEAST_SIMILARITIES)
    if background is not None:
        assert 1 / regions <= background.apart <= 1.0


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.floats(1e-9, 0.99), st.floats(1e-9, 0.99))
def test_it_rises_with_regions_and_with_caution(few: int, many: int, bold: float, careful: float) -> None:
    background = Background(0.1, 0.05)
    few, many = sorted((few, many))
    careful, bold = sorted((careful, bold))
    assert background.cut(few, bold) <= background.cut(many, bold) + 1e-12
    assert background.cut(few, bold) <= background.cut(few, careful) + 1e-12


@pytest.mark.parametrize("similarities", [chance((LEAST_SIMILARITIES - 1,)), np.full(5000, 0.3, np.float32)])
def test_too_few_or_all_the_same_say_nothing(similarities: np.ndarray) -> None:
    assert background_of(similarities) is None
    assert background_of_queries(similarities[:, None]) is None
