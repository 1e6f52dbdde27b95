"""Who speaks in a vote, and how loud: voters, copies, regions and their shares."""

from dataclasses import replace

import numpy as np
import pytest

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import NO_ROW, Neighbours
from autotag.domain.votes import vote
from autotag_tests.domain.elections import BIRD, CAT, RULES, TREE, archive, asked, scores, votes


def test_the_closer_neighbour_has_the_larger_share() -> None:
    found = scores(
        vote(asked([0.9, 0.9 - RULES.temperature]), archive([BIRD], [CAT]), replace(RULES, min_score=0))
    )
    assert found[BIRD] / found[CAT] == pytest.approx(np.e, rel=1e-4)
    assert found[BIRD] + found[CAT] == pytest.approx(1.0)


def test_only_the_best_k_voters_vote() -> None:
    result = vote(asked([0.9, 0.8, 0.7]), archive([BIRD], [CAT], [TREE]), replace(RULES, k=2, min_score=0))
    assert scores(result).keys() == {BIRD, CAT}


def test_copies_of_an_image_are_one_voter() -> None:
    once = vote(asked([0.8, 0.79, 0.79]), archive([BIRD], [CAT], [CAT]), RULES)
    copied = vote(
        asked([0.8, 0.8, 0.8, 0.79, 0.79]), archive(*[[BIRD]] * 3, [CAT], [CAT], voter=[0, 0, 0, 1, 2]), RULES
    )
    assert votes(copied)[CAT] == 2
    assert scores(copied) == pytest.approx(scores(once))


def test_many_regions_of_one_image_are_one_voter() -> None:
    rows = ArchiveTags.of_lists([0, 0, 0, 1], [False, True, True, False], [[BIRD], [CAT]])
    whole = asked([0.8, 0.8, 0.8, 0.8], [0.1, 0.8, 0.8, 0.1], image=[0, 0], objects=[1])
    result = vote(whole, rows, RULES)
    assert votes(result) == {BIRD: 1, CAT: 1}
    assert scores(result)[BIRD] == pytest.approx(0.5)


def test_an_object_speaks_at_a_discount() -> None:
    found = scores(
        vote(asked([0.2, 0.8], [0.8, 0.2], image=[0, 0], objects=[1]), archive([BIRD], [CAT]), RULES)
    )
    assert found.keys() == {CAT}
    even = asked([0.0, 0.8], [0.8 + RULES.object_discount, 0.0], image=[0, 0], objects=[1])
    found = scores(vote(even, archive([BIRD], [CAT]), RULES))
    assert found[BIRD] == pytest.approx(found[CAT], rel=1e-4)


def test_padding_is_no_neighbour() -> None:
    padded = Neighbours(
        np.zeros(1, np.int64), np.zeros(1, bool), np.array([[0.9, 0.9]]), np.array([[0, NO_ROW]]), 1
    )
    assert votes(vote(padded, archive([BIRD], [CAT]), RULES)) == {BIRD: 1}


def test_an_archive_image_does_not_vote_for_itself_nor_do_its_copies() -> None:
    own = replace(asked([1.0, 0.99, 0.6]), own_voter=np.array([4]))
    assert scores(vote(own, archive([BIRD], [BIRD], [CAT], voter=[4, 4, 5]), RULES)) == {CAT: 1.0}
