"""Ranking against the naive way: sort everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autotag.domain.label_ranking import RankingRules, Scores, best_of_regions, rank, top_labels

COARSE = st.sampled_from([-0.5, 0.0, 0.25, 0.3, 0.30004883])
"""Few values: equal scores are the hard case."""


def tables(values: st.SearchStrategy[float]) -> st.SearchStrategy[Scores]:
    shapes = st.tuples(st.integers(0, 6), st.integers(1, 12))
    return shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=values))


SCORES = tables(COARSE) | tables(st.floats(-1, 1, width=32))


def naive_order(row: np.ndarray) -> list[int]:
    return sorted(range(len(row)), key=lambda label: (-row[label], label))


@given(SCORES, st.integers(1, 15))
def test_the_best_labels_are_the_first_of_a_sort_and_ties_keep_the_lists_order(
    scores: Scores, topk: int
) -> None:
    found = top_labels(scores, topk)
    assert found.shape == (len(scores), min(topk, scores.shape[1]))
    assert found.tolist() == [naive_order(row)[:topk] for row in scores]


@given(SCORES, st.data())
def test_labels_over_their_thresholds_come_image_by_image_best_first(
    scores: Scores, data: st.DataObject
) -> None:
    thresholds = data.draw(hnp.arrays(np.float32, scores.shape[1], elements=COARSE))
    ranked = rank(scores, 3, thresholds)
    naive = [
        (image, label)
        for image, row in enumerate(scores)
        for label in naive_order(row)
        if row[label] >= thresholds[label]
    ]
    assert list(zip(ranked.over_image.tolist(), ranked.over_label.tolist(), strict=True)) == naive
    np.testing.assert_array_equal(ranked.top, top_labels(scores, 3))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 5), st.data())
def test_the_best_region_is_the_first_with_the_largest_cosine(
    regions: list[int], labels: int, data: st.DataObject
) -> None:
    cosines = data.draw(hnp.arrays(np.float32, (sum(regions), labels), elements=COARSE))
    first = np.cumsum([0, *regions[:-1]])
    best, places = best_of_regions(cosines, first)
    for image, (start, count) in enumerate(zip(first, regions, strict=True)):
        mine = cosines[start : start + count]
        np.testing.assert_array_equal(best[image], mine.max(axis=0))
        np.testing.assert_array_equal(places[image], mine.argmax(axis=0))


def test_no_image_has_no_best_region() -> None:
    best, places = best_of_regions(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert best.shape == places.shape == (0, 3)


def test_one_threshold_holds_for_all_labels() -> None:
    assert RankingRules(5, 0.25).of_labels(["cat", "bird"]).tolist() == [0.25, 0.25]


def test_a_label_has_its_own_threshold_and_all_others_share_one() -> None:
    own = RankingRules(5, 0.25, {"cat": 0.5, "dog": 0.75}).of_labels(["cat", "bird"])
    assert own.tolist() == [0.5, 0.25]
    others = RankingRules(5, 0.25, {"cat": 0.5, "": 0.125}).of_labels(["cat", "bird"])
    assert others.tolist() == [0.5, 0.125]


def test_a_score_equal_to_its_threshold_is_over_it() -> None:
    rules = RankingRules(1, 0.3)
    scores = np.float32([[0.3, 0.29]])
    assert rank(scores, 1, rules.of_labels(["a", "b"])).over_label.tolist() == [0]


@pytest.mark.parametrize("labels", [1, 5, 1000])
def test_asking_for_more_than_there_is_gives_all(labels: int) -> None:
    assert top_labels(np.zeros((2, labels), np.float32), 5000).tolist() == [list(range(labels))] * 2
