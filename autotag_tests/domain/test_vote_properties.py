"""What must hold of the vote for every archive."""

import time
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import NO_ROW, Neighbours
from autotag.domain.vote_rules import VoteRules
from autotag.domain.votes import vote
from autotag_tests.domain.elections import (
    elections,
    outcome,
    scores,
)


@given(elections())
def test_scores_votes_and_shares_are_in_range_and_add_up(
    election: tuple[Neighbours, ArchiveTags, VoteRules],
) -> None:
    neighbours, rows, rules = election
    result = vote(neighbours, rows, rules)
    assert ((result.tags.score >= rules.min_score) & (result.tags.score <= 1)).all()
    assert ((result.tags.votes >= 1) & (result.tags.votes <= rules.k)).all()
    assert (
        np.bincount(result.evidence.given, minlength=len(result.tags.tag)).tolist()
        == result.tags.votes.tolist()
    )
    sums = np.bincount(result.evidence.given, weights=result.evidence.share, minlength=len(result.tags.tag))
    np.testing.assert_allclose(sums, 1.0)
    tagged = set(result.tags.image.tolist())
    assert all((image in tagged) == (reason == "") for image, reason in enumerate(result.reasons))


@given(elections())
def test_every_given_tag_is_carried_by_its_evidence(
    election: tuple[Neighbours, ArchiveTags, VoteRules],
) -> None:
    neighbours, rows, rules = election
    result = vote(neighbours, rows, rules)
    for given_row, region, row in zip(
        result.evidence.given.tolist(),
        result.evidence.region.tolist(),
        result.evidence.row.tolist(),
        strict=True,
    ):
        assert result.tags.tag[given_row] in rows.tags_of(rows.media[[row]])[1]
        assert neighbours.image[region] == result.tags.image[given_row]
        assert row in neighbours.rows[region]


@given(elections())
def test_min_votes_are_respected_but_for_rare_tags(
    election: tuple[Neighbours, ArchiveTags, VoteRules],
) -> None:
    neighbours, rows, rules = election
    result = vote(neighbours, rows, rules)
    attainable = np.ceil(rows.carriers[result.tags.tag] * rules.rare_share)
    assert (result.tags.votes >= np.minimum(rules.min_votes, np.maximum(1, attainable))).all()


@given(elections(), st.randoms(use_true_random=False))
def test_the_order_of_regions_and_neighbours_does_not_matter(
    election: tuple[Neighbours, ArchiveTags, VoteRules], random: object
) -> None:
    neighbours, rows, rules = election
    shuffle = np.random.default_rng(random.getrandbits(32))
    regions = shuffle.permutation(len(neighbours.image))
    columns = shuffle.permutation(neighbours.rows.shape[1])
    shuffled = replace(
        neighbours,
        image=neighbours.image[regions],
        is_object=neighbours.is_object[regions],
        similarity=neighbours.similarity[regions][:, columns],
        rows=neighbours.rows[regions][:, columns],
    )
    assert outcome(vote(shuffled, rows, rules)) == outcome(vote(neighbours, rows, rules))


@given(elections())
def test_an_image_is_tagged_alike_alone(election: tuple[Neighbours, ArchiveTags, VoteRules]) -> None:
    neighbours, rows, rules = election
    together = vote(neighbours, rows, rules)
    for image in range(neighbours.images):
        mine = neighbours.image == image
        alone = Neighbours(
            np.zeros(mine.sum(), np.int64),
            neighbours.is_object[mine],
            neighbours.similarity[mine],
            neighbours.rows[mine],
            1,
        )
        result = vote(alone, rows, rules)
        assert result.reasons[0] == together.reasons[image]
        expected = [(0, *rest) for number, *rest in outcome(together) if number == image]
        assert outcome(result) == expected


@given(elections(), st.data())
def test_copying_a_source_image_changes_no_vote(
    election: tuple[Neighbours, ArchiveTags, VoteRules], data: st.DataObject
) -> None:
    neighbours, rows, rules = election
    row = data.draw(st.integers(0, len(rows.media) - 1))
    media = int(rows.media[row])
    tags = [rows.tags_of(np.array([image]))[1].tolist() for image in range(len(rows.voter))]
    copied = ArchiveTags.of_lists(
        [*rows.media, len(tags)],
        [*rows.is_object, rows.is_object[row]],
        [*tags, tags[media]],
        [*rows.voter, rows.voter[media]],
    )
    seen = neighbours.rows == row
    similarity = np.where(seen, neighbours.similarity, -np.inf).max(axis=1)
    again = np.where(seen.any(axis=1), len(rows.media), NO_ROW)
    more = replace(
        neighbours,
        similarity=np.concatenate([neighbours.similarity, similarity[:, None]], axis=1),
        rows=np.concatenate([neighbours.rows, again[:, None]], axis=1),
    )
    assert outcome(vote(more, copied, rules)) == outcome(vote(neighbours, rows, rules))


@given(elections(), st.data())
def test_a_tag_never_loses_when_one_of_its_neighbours_comes_closer(
    election: tuple[Neighbours, ArchiveTags, VoteRules], data: st.DataObject
) -> None:
    neighbours, rows, rules = election
    open_rules = replace(rules, min_votes=1, min_score=0.0)
    region = data.draw(st.integers(0, len(neighbours.image) - 1))
    column = data.draw(st.integers(0, neighbours.rows.shape[1] - 1))
    row = int(neighbours.rows[region, column])
    if row == NO_ROW:
        return
    similarity = neighbours.similarity.copy()
    similarity[region, column] += data.draw(st.floats(0, 0.7))
    image = int(neighbours.image[region])
    before = scores(vote(neighbours, rows, open_rules), image)
    after = scores(vote(replace(neighbours, similarity=similarity), rows, open_rules), image)
    for tag in rows.tags_of(rows.media[[row]])[1].tolist():
        assert after.get(tag, 0.0) >= before.get(tag, 0.0) - 1e-9


@given(elections())
@settings(max_examples=50)
def test_what_is_left_out_might_as_well_not_be_there(
    election: tuple[Neighbours, ArchiveTags, VoteRules],
) -> None:
    neighbours, rows, rules = election
    left_out = int(rows.voter[0])
    own = replace(neighbours, own_voter=np.full(neighbours.images, left_out))
    gone = np.where(
        (neighbours.rows >= 0) & (rows.voter[rows.media[neighbours.rows]] == left_out),
        NO_ROW,
        neighbours.rows,
    )
    assert outcome(vote(own, rows, rules)) == outcome(vote(replace(neighbours, rows=gone), rows, rules))


def test_thousands_of_images_are_tagged_in_far_less_than_a_millisecond_each() -> None:
    random = np.random.default_rng(0)
    images, width, sources = 3000, 40, 5000
    rows = ArchiveTags.of_lists(
        range(sources), [False] * sources, random.integers(0, 200, (sources, 4)).tolist()
    )
    neighbours = Neighbours(
        np.repeat(np.arange(images), 3), np.tile([False, True, True], images),
        random.random((images * 3, width)), random.integers(0, sources, (images * 3, width)), images,
    )  # fmt: skip
    started = time.process_time()
    assert len(vote(neighbours, rows, VoteRules()).reasons) == images
    assert (time.process_time() - started) / images < 1e-3
