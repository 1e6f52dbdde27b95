"""The vote: what a person would expect of it, then what must hold for every archive."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.votes import NO_ROW, Neighbours, TagMinimums, VoteResult, VoteRules, vote

RULES = VoteRules(min_votes=1, min_score=0.3)
BIRD, CAT, TREE = 0, 1, 2


def archive(*tags: list[int], voter: list[int] | None = None) -> ArchiveTags:
    """Whole images only: row i is image i."""
    return ArchiveTags.of_lists(range(len(tags)), [False] * len(tags), tags, voter)


def asked(
    *similarities: list[float], image: list[int] | None = None, objects: list[int] | None = None
) -> Neighbours:
    """Each region sees every row of the archive, at these similarities."""
    table = np.array(similarities, dtype=np.float32)
    owner = np.array(image if image is not None else range(len(table)), dtype=np.int64)
    is_object = np.isin(np.arange(len(table)), objects or [])
    rows = np.tile(np.arange(table.shape[1]), (len(table), 1))
    return Neighbours(owner, is_object, table, rows, int(owner.max()) + 1)


def scores(result: VoteResult, image: int = 0) -> dict[int, float]:
    mine = result.tags.image == image
    return dict(zip(result.tags.tag[mine].tolist(), result.tags.score[mine].tolist(), strict=True))


def votes(result: VoteResult, image: int = 0) -> dict[int, int]:
    mine = result.tags.image == image
    return dict(zip(result.tags.tag[mine].tolist(), result.tags.votes[mine].tolist(), strict=True))


def test_what_all_neighbours_share_scores_one() -> None:
    result = vote(asked([0.9, 0.8, 0.7]), archive([BIRD, TREE], [BIRD], [BIRD]), RULES)
    assert scores(result)[BIRD] == pytest.approx(1.0)
    assert votes(result) == {BIRD: 3, TREE: 1}
    assert result.reasons == [""]


def test_the_closer_neighbour_has_the_larger_share() -> None:
    found = scores(
        vote(asked([0.9, 0.9 - RULES.temperature]), archive([BIRD], [CAT]), replace(RULES, min_score=0))
    )
    assert found[BIRD] / found[CAT] == pytest.approx(np.e, rel=1e-4)
    assert found[BIRD] + found[CAT] == pytest.approx(1.0)


def test_tags_come_best_first_and_ties_by_id() -> None:
    result = vote(asked([0.9, 0.9, 0.8]), archive([TREE], [BIRD], [CAT]), replace(RULES, min_score=0))
    assert result.tags.tag.tolist() == [BIRD, TREE, CAT]


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


def test_evidence_names_the_regions_that_met() -> None:
    rows = ArchiveTags.of_lists([0, 0, 1], [False, True, False], [[BIRD], [BIRD, CAT]])
    result = vote(asked([0.3, 0.2, 0.9], [0.1, 0.95, 0.1], image=[0, 0], objects=[1]), rows, RULES)
    bird = result.evidence.given == 0
    assert result.tags.tag[0] == BIRD
    assert result.evidence.row[bird].tolist() == [2, 1]
    assert result.evidence.region[bird].tolist() == [0, 1]
    np.testing.assert_allclose(result.evidence.similarity[bird], [0.9, 0.95], atol=1e-6)
    assert result.evidence.share[bird].sum() == pytest.approx(1.0)


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


def test_padding_is_no_neighbour() -> None:
    padded = Neighbours(
        np.zeros(1, np.int64), np.zeros(1, bool), np.array([[0.9, 0.9]]), np.array([[0, NO_ROW]]), 1
    )
    assert votes(vote(padded, archive([BIRD], [CAT]), RULES)) == {BIRD: 1}


def test_no_images_give_nothing() -> None:
    none = Neighbours(
        np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, 4)), np.zeros((0, 4), np.int64), 0
    )
    result = vote(none, archive([BIRD]), RULES)
    assert result.reasons == []
    assert len(result.tags.image) == len(result.evidence.given) == 0


def test_an_archive_image_does_not_vote_for_itself_nor_do_its_copies() -> None:
    own = replace(asked([1.0, 0.99, 0.6]), own_voter=np.array([4]))
    assert scores(vote(own, archive([BIRD], [BIRD], [CAT], voter=[4, 4, 5]), RULES)) == {CAT: 1.0}


def test_at_most_max_tags_are_given() -> None:
    result = vote(asked([0.9]), archive(list(range(30))), replace(RULES, max_tags=5))
    assert result.tags.tag.tolist() == [0, 1, 2, 3, 4]


def test_rows_that_the_archive_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="row 1 is not among the archive's 1 rows"):
        vote(asked([0.9, 0.8]), archive([BIRD]), RULES)


def test_shapes_that_do_not_fit_are_refused() -> None:
    wrong = replace(asked([0.9, 0.8]), image=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="one line a region"):
        vote(wrong, archive([BIRD], [CAT]), RULES)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"min_votes": 0}, {"temperature": 0.0}, {"min_score": 1.5}])
def test_rules_that_make_no_vote_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="of a vote"):
        VoteRules(**wrong)  # pyright: ignore[reportArgumentType]


@st.composite
def elections(draw: st.DrawFn) -> tuple[Neighbours, ArchiveTags, VoteRules]:
    """Small archives with copies and objects, and some images to tag. Similarities differ by more than rounding."""
    sources = draw(st.integers(1, 8))
    tags = draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=sources, max_size=sources))
    voter = draw(st.lists(st.integers(0, 5), min_size=sources, max_size=sources))
    extra = draw(st.lists(st.integers(0, sources - 1), max_size=6))
    media = [*range(sources), *extra]
    rows = ArchiveTags.of_lists(media, [False] * sources + [True] * len(extra), tags, voter)
    regions = draw(st.integers(1, 5))
    images = draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = len(media)
    similarity = random.permutation(regions * width).reshape(regions, width) / (regions * width) * 1.5 - 0.5
    order = np.argsort(random.random((regions, width)), axis=1)
    neighbours = Neighbours(
        random.integers(0, images, regions), random.random(regions) < 0.4,
        np.take_along_axis(similarity, order, axis=1),
        np.where(random.random((regions, width)) < 0.15, NO_ROW, order), images,
    )  # fmt: skip
    rules = VoteRules(
        k=draw(st.integers(1, 6)),
        min_votes=draw(st.integers(1, 4)),
        min_score=draw(st.sampled_from([0.0, 0.3, 0.6])),
        rare_share=draw(st.sampled_from([0.25, 1.0])),
    )
    return neighbours, rows, rules


def outcome(result: VoteResult) -> list[tuple[int, int, float, int]]:
    given = result.tags
    columns = (given.image.tolist(), given.tag.tolist(), given.score.round(9).tolist(), given.votes.tolist())
    return sorted(zip(*columns, strict=True))


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
