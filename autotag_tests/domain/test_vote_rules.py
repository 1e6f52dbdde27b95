"""The numbers of a vote: how many voices and how much score a tag needs, and numbers that make no vote."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import Neighbours
from autotag.domain.vote_rules import TagMinimums, VoteRules
from autotag.domain.votes import vote
from autotag_tests.domain.elections import (
    BIRD,
    CAT,
    RULES,
    TREE,
    archive,
    asked,
    elections,
    outcome,
    scores,
    votes,
)


def test_min_votes_counts_distinct_images_when_the_tag_is_common() -> None:
    common = archive(*[[BIRD]] * 12)
    table = np.full((1, 12), 0.9, np.float32)
    two = Neighbours(np.zeros(1, np.int64), np.zeros(1, bool), table[:, :2], np.array([[0, 1]]), 1)
    three = Neighbours(np.zeros(1, np.int64), np.zeros(1, bool), table[:, :3], np.array([[0, 1, 2]]), 1)
    rules = VoteRules(min_votes=3)
    assert vote(two, common, rules).reasons == ["no tag with enough score reached 3 votes"]
    assert votes(vote(three, common, rules)) == {BIRD: 3}


def test_a_tag_of_a_single_archive_image_can_be_given() -> None:
    assert votes(vote(asked([0.9, 0.3]), archive([TREE], [CAT]), VoteRules(min_votes=3))) == {TREE: 1}


def test_at_most_max_tags_are_given() -> None:
    result = vote(asked([0.9]), archive(list(range(30))), replace(RULES, max_tags=5))
    assert result.tags.tag.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wrong", [{"k": 0}, {"min_votes": 0}, {"temperature": 0.0}, {"min_score": 1.5}])
def test_rules_that_make_no_vote_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="of a vote"):
        VoteRules(**wrong)  # pyright: ignore[reportArgumentType]


def minimums(least: dict[int, float], abstain_from: dict[int, float] | None = None) -> TagMinimums:
    """For BIRD, CAT and TREE; 0.3 where nothing is said."""
    low = abstain_from or {}
    numbers = [least.get(tag, 0.3) for tag in range(3)]
    return TagMinimums(
        np.array(numbers), np.array([low.get(tag, number) for tag, number in enumerate(numbers)])
    )


def test_each_tag_needs_its_own_score() -> None:
    seen, rows = asked([0.9, 0.9, 0.9]), archive([BIRD, TREE], [CAT, TREE], [BIRD])
    found = vote(seen, rows, RULES, minimums({BIRD: 0.7, CAT: 0.2, TREE: np.inf}))
    assert scores(found) == {CAT: pytest.approx(1 / 3)}
    assert len(found.undecided.tag) == 0


def test_an_image_whose_best_tags_are_in_doubt_says_so() -> None:
    seen, rows = asked([0.9, 0.9, 0.9], [0.9, 0.9, 0.9]), archive([BIRD], [BIRD], [CAT])
    found = vote(seen, rows, RULES, minimums({BIRD: 0.8, CAT: 0.9}, {BIRD: 0.5, CAT: 0.6}))
    assert len(found.tags.tag) == 0
    assert found.undecided.tag.tolist() == [BIRD, BIRD]
    assert (
        found.reasons
        == ["not sure enough of any tag: the best ones are for a person to judge (the best has 0.67)"] * 2
    )


def test_without_doubts_the_reason_is_the_tags_own_thresholds() -> None:
    found = vote(asked([0.9]), archive([BIRD]), RULES, minimums({BIRD: np.inf}))
    assert found.reasons == ["no tag reached its own threshold (the best has 1.00)"]


@given(elections())
def test_one_minimum_for_all_tags_is_the_rules_own(
    election: tuple[Neighbours, ArchiveTags, VoteRules],
) -> None:
    neighbours, rows, rules = election
    tags = int(rows.tag_ids.max(initial=0)) + 1
    same = np.full(tags, rules.min_score)
    plain, told = vote(neighbours, rows, rules), vote(neighbours, rows, rules, TagMinimums(same, same))
    assert outcome(plain) == outcome(told)
    assert len(told.undecided.tag) == 0
