from dataclasses import replace

import numpy as np
import pytest

from autotag.domain.tag_examples import DECISIONS_HALVE, TagExamples, joined, tally
from autotag_tests.domain.tag_worlds import examples


def decided(known: TagExamples) -> TagExamples:
    return replace(known, is_decision=np.ones(len(known), np.bool_))


def test_a_decision_takes_the_place_of_the_archives_word() -> None:
    names = ("bird", "cat")
    archive = examples([0, 1], [0.5, 0.6], [True, True], names)
    said = decided(examples([0], [0.5], [False], names))
    both = joined(archive, said)
    assert both.tag.tolist() == [1, 0]
    assert both.is_right.tolist() == [True, False]
    assert both.is_decision.tolist() == [False, True]


def test_examples_of_other_names_are_not_joined() -> None:
    with pytest.raises(ValueError, match="other tags"):
        joined(examples([0], [1.0], [True], ("bird",)), examples([0], [1.0], [True], ("cat",)))


def test_the_archive_weighs_half_beside_as_many_decisions_as_that_takes() -> None:
    known = examples(
        np.zeros(DECISIONS_HALVE + 1, np.int64), np.zeros(DECISIONS_HALVE + 1), np.ones(DECISIONS_HALVE + 1)
    )
    mixed = replace(known, is_decision=np.arange(len(known)) > 0)
    assert mixed.weights()[0] == pytest.approx(0.5)
    assert set(mixed.weights()[1:]) == {1.0}


def test_examples_are_counted_by_score_and_decisions_do_not_say_which_scores_are_usual() -> None:
    known = replace(
        examples([0, 0, 0], [0.5, 0.1, 0.5], [True, False, False]), is_decision=np.array([False, False, True])
    )
    counts = tally(known, np.array([1.0, 1.0, 0.5]))
    assert counts.score.tolist() == [0.1, 0.5]
    assert counts.weight.tolist() == [1.0, 1.5]
    assert counts.right.tolist() == [0.0, 1.0]
    assert counts.density.tolist() == [1.0, 1.0]
    assert counts.examples.tolist() == [1, 2]
    assert tally(decided(known), np.ones(3)).density.tolist() == [1.0, 2.0]
