"""Weights of voters: what they do to shares and places, and that equal ones do nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import Neighbours, VoteResult
from autotag.domain.vote_rules import VoteRules
from autotag.domain.votes import vote

RULES = VoteRules(min_votes=1, min_score=0)
BIRD, CAT = 0, 1


def asked(similarities: list[float]) -> Neighbours:
    rows = np.arange(len(similarities))[None]
    return Neighbours(np.zeros(1, np.int64), np.zeros(1, bool), np.array([similarities], np.float32), rows, 1)


def archive(tags: list[list[int]], weight: list[float] | None) -> ArchiveTags:
    whole = ArchiveTags.of_lists(range(len(tags)), [False] * len(tags), tags)
    return whole if weight is None else replace(whole, weight=np.array(weight))


def scores(result: VoteResult) -> dict[int, float]:
    return dict(zip(result.tags.tag.tolist(), result.tags.score.tolist(), strict=True))


@given(st.lists(st.floats(0.3, 1), min_size=2, max_size=6), st.floats(0.01, 50))
def test_a_weight_multiplies_the_share(similarities: list[float], weight: float) -> None:
    tags = [[BIRD]] + [[CAT]] * (len(similarities) - 1)
    before = scores(vote(asked(similarities), archive(tags, None), RULES))
    after = scores(vote(asked(similarities), archive(tags, [weight] + [1.0] * (len(tags) - 1)), RULES))
    assert after[BIRD] / after[CAT] == pytest.approx(weight * before[BIRD] / before[CAT], rel=1e-6)


def test_weights_of_one_change_no_bit() -> None:
    tags, similarities = [[BIRD], [CAT], [BIRD, CAT]], [0.9, 0.83, 0.71]
    plain = vote(asked(similarities), archive(tags, None), RULES)
    weighted = vote(asked(similarities), archive(tags, [1.0, 1.0, 1.0]), RULES)
    assert (weighted.tags.score == plain.tags.score).all()
    assert (weighted.evidence.share == plain.evidence.share).all()


def test_a_light_voter_takes_nobodys_place_among_the_best() -> None:
    tags = [[BIRD], [CAT], [CAT]]
    rules = replace(RULES, k=2)
    assert scores(vote(asked([0.9, 0.85, 0.84]), archive(tags, [0.01, 1.0, 1.0]), rules)) == {CAT: 1.0}


def test_similarity_is_told_and_judged_without_the_weight() -> None:
    result = vote(asked([0.5]), archive([[BIRD]], [0.001]), replace(RULES, min_similarity=0.4))
    assert result.evidence.similarity.tolist() == [0.5]
