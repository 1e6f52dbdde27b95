import random
from dataclasses import astuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from autotag.domain.agreement import Scores, agreement

TAGS = st.sets(st.sampled_from(["bird", "cat", "sea", "ship", "tree"]))
TAGGINGS = st.lists(st.tuples(TAGS, TAGS), max_size=12)


def compared(pairs):
    return agreement([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def test_a_small_table_is_counted_by_hand():
    result = agreement([["bird", "sea"], ["bird"], []], [["bird"], ["cat"], ["sea"]])
    assert [(row.tag, row.tp, row.fp, row.fn, row.support) for row in result.per_tag] == [
        ("bird", 1, 1, 0, 1),
        ("cat", 0, 0, 1, 1),
        ("sea", 0, 1, 1, 1),
    ]
    assert result.micro == Scores(1 / 3, 1 / 3, 1 / 3)
    assert astuple(result.macro) == pytest.approx(((1 / 2) / 3, 1 / 3, (2 / 3) / 3))
    assert (result.images, result.exact) == (3, 0)


@given(TAGGINGS)
def test_scikit_learn_agrees(pairs):
    expected = [theirs for _, theirs in pairs]
    ours = [found for found, _ in pairs]
    binarizer = MultiLabelBinarizer().fit([*expected, *ours])
    assume(
        len(binarizer.classes_) >= 2
    )  # with a single class scikit-learn takes the matrix for a binary problem
    truth, guess = binarizer.transform(expected), binarizer.transform(ours)
    result = compared(pairs)
    for average, scores in (("micro", result.micro), ("macro", result.macro)):
        known = precision_recall_fscore_support(truth, guess, average=average, zero_division=0)[:3]
        assert astuple(scores) == pytest.approx(tuple(known))


@given(TAGGINGS)
def test_scores_stay_between_zero_and_one_and_the_micro_f1_is_the_harmonic_mean(pairs):
    result = compared(pairs)
    for scores in (result.micro, result.macro, *(row.scores for row in result.per_tag)):
        assert all(0 <= value <= 1 for value in astuple(scores))
    precision, recall, f1 = astuple(result.micro)
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall) if precision + recall else 0.0)


@given(st.lists(TAGS, max_size=12))
def test_a_tagging_agrees_perfectly_with_itself_if_it_has_any_tag(tags):
    result = agreement(tags, tags)
    best = 1.0 if any(tags) else 0.0
    assert result.micro == result.macro == Scores(best, best, best)
    assert result.exact == len(tags)


@given(TAGGINGS, st.randoms(use_true_random=False))
def test_the_order_of_images_and_the_repetition_of_tags_do_not_matter(pairs, source: random.Random):
    shuffled = [([*ours, *ours], list(theirs)) for ours, theirs in pairs]
    source.shuffle(shuffled)
    assert compared(shuffled) == compared(pairs)


@given(TAGGINGS)
def test_swapping_the_sides_swaps_precision_and_recall(pairs):
    there, back = compared(pairs), compared([(theirs, ours) for ours, theirs in pairs])
    for one, other in ((there.micro, back.micro), (there.macro, back.macro)):
        assert (one.precision, one.recall, one.f1) == pytest.approx((other.recall, other.precision, other.f1))


@given(TAGGINGS)
def test_every_expected_tag_is_found_or_missed_and_every_given_one_right_or_wrong(pairs):
    rows = compared(pairs).per_tag
    assert sum(row.tp + row.fp for row in rows) == sum(len(ours) for ours, _ in pairs)
    assert sum(row.support for row in rows) == sum(len(theirs) for _, theirs in pairs)


def test_nothing_to_compare_scores_nothing():
    for result in (agreement([], []), agreement([[]], [[]])):
        assert result.micro == result.macro == Scores(0.0, 0.0, 0.0)
        assert result.per_tag == ()


def test_two_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        agreement([["bird"]], [])
