"""The vote: what a person would expect of it."""

from dataclasses import replace

import numpy as np
import pytest

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import Neighbours
from autotag.domain.votes import vote
from autotag_tests.domain.elections import BIRD, CAT, RULES, TREE, archive, asked, scores, votes


def test_what_all_neighbours_share_scores_one() -> None:
    result = vote(asked([0.9, 0.8, 0.7]), archive([BIRD, TREE], [BIRD], [BIRD]), RULES)
    assert scores(result)[BIRD] == pytest.approx(1.0)
    assert votes(result) == {BIRD: 3, TREE: 1}
    assert result.reasons == [""]


def test_tags_come_best_first_and_ties_by_id() -> None:
    result = vote(asked([0.9, 0.9, 0.8]), archive([TREE], [BIRD], [CAT]), replace(RULES, min_score=0))
    assert result.tags.tag.tolist() == [BIRD, TREE, CAT]


def test_evidence_names_the_regions_that_met() -> None:
    rows = ArchiveTags.of_lists([0, 0, 1], [False, True, False], [[BIRD], [BIRD, CAT]])
    result = vote(asked([0.3, 0.2, 0.9], [0.1, 0.95, 0.1], image=[0, 0], objects=[1]), rows, RULES)
    bird = result.evidence.given == 0
    assert result.tags.tag[0] == BIRD
    assert result.evidence.row[bird].tolist() == [2, 1]
    assert result.evidence.region[bird].tolist() == [0, 1]
    np.testing.assert_allclose(result.evidence.similarity[bird], [0.9, 0.95], atol=1e-6)
    assert result.evidence.share[bird].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("similarity", "tags", "reason"),
    [
        ([0.1, 0.05], [[BIRD], [CAT]], "no neighbour above similarity 0.20 (the best has 0.10)"),
        ([0.9, 0.9], [[], []], "the nearest neighbours have no tags"),
        ([0.8] * 4, [[0], [1], [2], [3]], "no tag reached score 0.30 (the best has 0.25)"),
        ([-np.inf, -np.inf], [[BIRD], [CAT]], "no neighbour in the reference index"),
    ],
)
def test_an_image_without_tags_says_why(similarity: list[float], tags: list[list[int]], reason: str) -> None:
    result = vote(asked(similarity), archive(*tags), RULES)
    assert result.reasons == [reason]
    assert len(result.tags.tag) == len(result.evidence.row) == 0


def test_an_image_without_regions_gets_a_reason_and_the_others_their_tags() -> None:
    result = vote(replace(asked([0.9], image=[1]), images=3), archive([BIRD]), RULES)
    assert result.reasons == [
        "no neighbour in the reference index",
        "",
        "no neighbour in the reference index",
    ]
    assert scores(result, 1) == {BIRD: 1.0}


def test_no_images_give_nothing() -> None:
    none = Neighbours(
        np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, 4)), np.zeros((0, 4), np.int64), 0
    )
    result = vote(none, archive([BIRD]), RULES)
    assert result.reasons == []
    assert len(result.tags.image) == len(result.evidence.given) == 0


def test_rows_that_the_archive_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="row 1 is not among the archive's 1 rows"):
        vote(asked([0.9, 0.8]), archive([BIRD]), RULES)


def test_shapes_that_do_not_fit_are_refused() -> None:
    wrong = replace(asked([0.9, 0.8]), image=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="one line a region"):
        vote(wrong, archive([BIRD], [CAT]), RULES)
