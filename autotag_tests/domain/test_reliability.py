import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.reliability import SKETCH_POINTS, own_chance, reliability_bins, source_chance
from autotag.domain.tag_examples import ScoreTally, tally
from autotag_tests.domain.tag_worlds import LAWS, World, examples


def counted(score: object, is_right: object) -> ScoreTally:
    rights = np.asarray(is_right, np.bool_)
    known = examples(np.zeros(len(rights), np.int64), score, rights)
    return tally(known, known.weights())


def test_the_curve_of_many_examples_is_the_true_one() -> None:
    chance = np.random.default_rng(0)
    score = chance.random(20_000)
    curve = source_chance(counted(score, chance.random(20_000) < score))
    at = np.linspace(0.1, 0.9, 9)
    assert np.abs(curve.at(at) - at).max() < 0.05


def test_a_tags_own_examples_bend_its_groups_curve_the_more_they_are() -> None:
    chance = np.random.default_rng(1)
    score = chance.random(5000)
    group = source_chance(counted(score, chance.random(5000) < score))
    at = np.array([0.5])
    few = own_chance(group, counted(np.full(5, 0.5), np.zeros(5)), 20.0).at(at)
    many = own_chance(group, counted(np.full(500, 0.5), np.zeros(500)), 20.0).at(at)
    assert many < few < group.at(at)
    assert many < 0.05


def test_examples_that_say_the_higher_the_worse_do_not_turn_the_curve_round() -> None:
    chance = np.random.default_rng(2)
    score = chance.random(2000)
    group = source_chance(counted(score, score > 0.5))
    backwards = own_chance(group, counted(score, score < 0.5), 20.0)
    assert (np.diff(backwards.at(np.linspace(0, 1, 50))) >= 0).all()


def test_many_scores_are_remembered_by_few_points_with_the_same_mean() -> None:
    world = World(LAWS["normal"], 0.3, np.zeros(1))
    known = world.examples(10_000, np.random.default_rng(3))
    curve = source_chance(tally(known, known.weights()))
    assert len(curve.scores) <= SKETCH_POINTS
    assert curve.density.sum() == pytest.approx(1)
    assert (curve.scores * curve.density).sum() == pytest.approx(known.score.mean(), abs=1e-6)


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=1, max_size=50))
def test_no_curve_ever_falls(rows: list[tuple[float, bool]]) -> None:
    score, is_right = zip(*rows, strict=True)
    curve = source_chance(counted(score, is_right))
    chances = curve.at(np.linspace(-1.5, 1.5, 200))
    assert (np.diff(chances) >= 0).all()
    assert ((chances > 0) & (chances < 1)).all()


def test_promises_are_compared_bin_by_bin_and_empty_bins_left_out() -> None:
    low, high = reliability_bins(np.array([0.11, 0.19, 1.0]), np.array([True, False, True]))
    assert (low.low, low.high, low.examples, low.promised, low.right) == (
        0.1,
        0.2,
        2,
        pytest.approx(0.15),
        0.5,
    )
    assert (high.low, high.examples, high.right) == (0.9, 1, 1.0)
    assert reliability_bins(np.zeros(0), np.zeros(0, np.bool_)) == []
