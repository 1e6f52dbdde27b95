"""Thresholds: what was asked for is kept where the truth is known, then what must hold for any examples."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.label_ranking import OTHERS
from autotag.domain.tag_examples import TagExamples
from autotag.domain.thresholds import FitRules, FittedThreshold, fit_thresholds, group_of
from autotag_tests.domain.tag_worlds import LAWS, World, examples

RULES = FitRules(0.9, 20.0)
TAGS = 60


def fitted(known: TagExamples, rules: FitRules = RULES) -> dict[str, FittedThreshold]:
    return {row.tag: row for row in fit_thresholds(known, rules).thresholds}


def kept(world: World, each: int, asked: float, chance: np.random.Generator) -> np.ndarray:
    """True precision of each tag that is given at all."""
    known = world.examples(each, chance)
    rows = fitted(known, FitRules(asked, 20.0))
    precision = world.precision([rows[tag].threshold for tag in known.tags])
    return precision[np.isfinite(precision)]


def lucky_precision(world: World, each: int, chance: np.random.Generator) -> float:
    """What is kept by the lowest score above which the examples themselves happen to be right often enough."""
    known = world.examples(each, chance)
    thresholds = []
    for tag in range(TAGS):
        mine = known.tag == tag
        order = np.argsort(-known.score[mine])
        share = np.cumsum(known.is_right[mine][order]) / np.arange(1, each + 1)
        enough = np.flatnonzero(share >= 0.9)
        thresholds.append(known.score[mine][order][enough[-1]] if len(enough) else math.inf)
    return float(np.nanmean(world.precision(thresholds)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("base_rate", "each"), [(0.5, 50), (0.3, 200), (0.1, 600), (0.6, 2000)])
def test_asked_for_ninety_percent_tags_are_right_in_87_to_93_of_100(
    law: str, base_rate: float, each: int
) -> None:
    chance = np.random.default_rng(11)
    world = World(LAWS[law], base_rate, chance.normal(size=TAGS))
    precision = kept(world, each, 0.9, chance)
    assert len(precision) > TAGS * 0.8
    assert 0.87 <= precision.mean() <= 0.93


@pytest.mark.parametrize("asked", [0.7, 0.8, 0.95])
def test_other_targets_are_kept_as_well(asked: float) -> None:
    chance = np.random.default_rng(12)
    world = World(LAWS["normal"], 0.4, chance.normal(size=TAGS))
    assert kept(world, 200, asked, chance).mean() == pytest.approx(asked, abs=0.03)


@pytest.mark.parametrize("law", LAWS)
def test_with_many_examples_nearly_every_tag_by_itself_keeps_it(law: str) -> None:
    chance = np.random.default_rng(13)
    world = World(LAWS[law], 0.5, chance.normal(size=TAGS))
    assert (np.abs(kept(world, 2000, 0.9, chance) - 0.9) <= 0.03).mean() >= 0.9


@pytest.mark.parametrize("law", LAWS)
def test_single_tags_of_few_examples_stray_no_further_than_samples_do(law: str) -> None:
    chance = np.random.default_rng(14)
    world = World(LAWS[law], 0.5, chance.normal(size=TAGS))
    # Of 50 examples about 25 are given: the share of right ones among 25 has a standard error of 0.06.
    error = math.sqrt(0.9 * 0.1 / 25)
    strayed = np.abs(kept(world, 50, 0.9, chance) - 0.9)
    assert (strayed <= 2 * error).mean() >= 0.9


def test_it_keeps_more_of_its_word_than_picking_the_luckiest_score() -> None:
    chance = np.random.default_rng(15)
    world = World(LAWS["normal"], 0.2, chance.normal(size=TAGS))
    mine, lucky = kept(world, 60, 0.9, chance).mean(), lucky_precision(world, 60, chance)
    assert abs(mine - 0.9) < abs(lucky - 0.9)


def test_a_tag_that_no_score_is_enough_for_is_never_given_and_says_why() -> None:
    chance = np.random.default_rng(1)
    score = np.concatenate([chance.random(40), chance.random(400)])
    is_right = np.concatenate([chance.random(40) < 0.3, score[40:] > 0.4])
    known = examples(np.repeat([0, 1], [40, 400]), score, is_right, ("vague", "clear"))
    rows = fitted(known)
    assert rows["vague"].threshold == math.inf
    assert rows["vague"].reason.startswith("no score reaches 0.90: ")
    assert rows["vague"].reason.endswith(" right at best")
    assert rows["vague"].precision < 0.9
    assert rows["clear"].threshold < 0.5


def test_a_tag_of_few_examples_follows_its_group() -> None:
    chance = np.random.default_rng(2)
    world = World(LAWS["normal"], 0.5, np.zeros(20))
    many = world.examples(200, chance)
    tags = (*many.tags, "new")
    with_new = replace(
        many,
        tags=tags,
        tag=np.append(many.tag, 20),
        image=np.append(many.image, 10_000),
        score=np.append(many.score, 0.31),
        is_right=np.append(many.is_right, False),
        is_decision=np.append(many.is_decision, False),
    )
    rows = fitted(with_new)
    assert rows["new"].threshold == pytest.approx(rows[OTHERS].threshold, abs=0.03)
    assert rows["new"].own_weight == pytest.approx(1 / 21)
    assert "few examples" in rows["new"].reason


def test_a_tag_below_another_borrows_from_those_beside_it() -> None:
    chance = np.random.default_rng(3)
    steep, flat = chance.random(600), chance.random(600)
    tag = np.concatenate([np.repeat([0, 1], 300), np.repeat([2, 3], 300), [4]])
    score = np.concatenate([steep, flat, [0.7]])
    is_right = np.concatenate([steep > 0.2, flat > 0.8, [True]])
    names = ("animal|bird", "animal|cat", "thing|cup", "thing|jar", "animal|fox")
    rows = fitted(examples(tag, score, is_right, names))
    assert rows["animal|fox"].threshold < 0.5 < rows["thing|jar"].threshold
    assert "animal" in rows["animal|fox"].reason
    assert [group_of(tag) for tag in ("animal|bird|owl", "animal|bird", "animal")] == [
        "animal|bird",
        "animal",
        OTHERS,
    ]


def test_people_weigh_more_than_the_archive_the_more_they_decided() -> None:
    chance = np.random.default_rng(4)
    score = chance.random(600)
    archive = examples(np.zeros(400, np.int64), score[:400], score[:400] > 0.4, ("bird",))
    stricter = replace(
        archive,
        tag=np.zeros(600, np.int64),
        image=np.arange(600),
        score=score,
        is_right=np.concatenate([score[:400] > 0.4, score[400:] > 0.8]),
        is_decision=np.arange(600) >= 400,
    )
    few = stricter.part(np.arange(420))
    by_archive, by_few, by_many = (fitted(known)["bird"].threshold for known in (archive, few, stricter))
    assert by_archive < by_few < by_many


def test_scores_that_could_be_right_are_for_people_to_judge() -> None:
    chance = np.random.default_rng(5)
    world = World(LAWS["normal"], 0.5, np.zeros(10))
    found = fit_thresholds(world.examples(500, chance), RULES)
    row = found.thresholds[1]
    assert row.abstain_from < row.threshold
    assert found.chances[row.tag].at(np.array([row.abstain_from])) == pytest.approx(0.45, abs=0.02)


def test_equal_scores_are_all_in_or_all_out() -> None:
    score = np.repeat([0.1, 0.5, 1.0], 100)
    is_right = np.concatenate([np.zeros(100), np.tile([1, 0], 50), np.ones(100)]).astype(bool)
    row = fitted(examples(np.zeros(300, np.int64), score, is_right, ("bird",)))["bird"]
    assert 0.5 < row.threshold <= 1.0
    assert (row.examples, row.right) == (300, 150)


def test_the_score_that_a_threshold_was_fitted_to_reaches_it_in_32_bits() -> None:
    known = examples(np.zeros(100, np.int64), np.full(100, 0.1), np.ones(100), ("bird",))
    assert np.float32(0.1) >= np.float32(fitted(known)["bird"].threshold)


def test_no_examples_give_no_thresholds() -> None:
    assert fit_thresholds(examples([], [], []), RULES).thresholds == []


@pytest.mark.parametrize("rules", [(0.0, 20.0), (1.0, 20.0), (0.9, -1.0)])
def test_rules_that_make_no_sense_are_refused(rules: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="target_precision"):
        FitRules(*rules)


some_examples = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(-1, 1), st.booleans()
    ),
    min_size=1,
    max_size=60,
)


@given(some_examples, st.sampled_from([0.0, 20.0]))
def test_any_examples_give_thresholds_in_order(rows: list[tuple[int, float, bool]], prior: float) -> None:
    tag, score, is_right = zip(*rows, strict=True)
    known = examples(tag, score, is_right, ("a", "b|x", "b|y", "b"))
    for row in fit_thresholds(known, FitRules(0.8, prior)).thresholds:
        assert row.abstain_from <= row.threshold
        assert 0 <= row.precision <= 1
        assert (row.precision >= 0.8 - 1e-9) == math.isfinite(row.threshold)
        assert 0 <= row.own_weight <= 1


@given(some_examples)
def test_asking_for_more_never_gives_more(rows: list[tuple[int, float, bool]]) -> None:
    tag, score, is_right = zip(*rows, strict=True)
    known = examples(tag, score, is_right, ("a", "b|x", "b|y", "b"))
    lower, higher = fitted(known, FitRules(0.6, 20.0)), fitted(known, FitRules(0.9, 20.0))
    assert all(lower[tag].threshold <= higher[tag].threshold for tag in lower)


@given(some_examples, st.randoms(use_true_random=False))
def test_the_order_of_examples_says_nothing(rows: list[tuple[int, float, bool]], random: object) -> None:
    names = ("a", "b|x", "b|y", "b")
    shuffled = sorted(rows, key=lambda _: random.random())  # type: ignore[attr-defined]
    one, other = (fitted(examples(*zip(*each, strict=True), names)) for each in (rows, shuffled))
    assert one.keys() == other.keys()
    for tag in one:
        assert one[tag].precision == pytest.approx(other[tag].precision, abs=1e-6)
