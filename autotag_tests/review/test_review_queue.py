from datetime import UTC, datetime

import pytest

from autotag.domain.ledger_entries import EffectiveTag, Standing
from autotag.review.review_queue import (
    Minimum,
    Order,
    Show,
    Wanted,
    believed,
    disagrees,
    is_decided,
    queue,
    tag_counts,
)
from autotag_tests.review.folder_views import view_of

MINIMUM = Minimum({"vote": 0.4, "zero_shot": 0.25}, {("vote", "rare"): float("inf")})
VIEW = view_of(
    {
        "a.jpg": [("vote", "bird", 0.9), ("zero_shot", "bird", 0.3)],
        "b.jpg": [("vote", "bird", 0.41), ("zero_shot", "cat", 0.26)],
        "c.jpg": [("vote", "rare", 0.99), ("zero_shot", "dog", 0.1)],
        "d.jpg": [],
    }
)


def tag(name: str, standing: Standing) -> EffectiveTag:
    decided = standing is not Standing.PROPOSED
    scores = {} if decided else {"vote": 0.5}
    at = datetime(2026, 1, 1, tzinfo=UTC) if decided else None
    return EffectiveTag(name, standing, scores, {}, "ann" if decided else "", at)


def names(wanted: Wanted, standings: dict[str, list[EffectiveTag]] | None = None) -> list[str]:
    return [VIEW.files[card[0]] for card in queue(VIEW, standings or {}, wanted, MINIMUM)]


def test_a_tag_is_believed_from_its_own_threshold_on_and_told_once_by_its_better_source():
    assert [(each.tag, each.source) for each in believed(VIEW, 0, MINIMUM)] == [("bird", "vote")]
    assert [each.tag for each in believed(VIEW, 2, MINIMUM)] == []


def test_a_source_without_a_threshold_is_never_believed():
    minimum = Minimum({"vote": 0.4}, {})
    assert minimum.of("zero_shot", "bird") == float("inf")
    assert [each.tag for each in believed(VIEW, 1, minimum)] == ["bird"]
    assert queue(VIEW, {}, Wanted(Show.ABSTAINED, order=Order.NAME), minimum) == [[3]]


def test_sources_disagree_when_both_speak_and_share_nothing():
    assert [disagrees(VIEW, number, MINIMUM) for number in range(4)] == [False, True, False, False]


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        (Show.EVERYTHING, ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]),
        (Show.UNDECIDED, ["b.jpg", "c.jpg", "d.jpg"]),
        (Show.DECIDED, ["a.jpg"]),
        (Show.ABSTAINED, ["c.jpg", "d.jpg"]),
        (Show.DISAGREEMENT, ["b.jpg"]),
    ],
)
def test_each_filter_shows_what_it_says(show: Show, expected: list[str]):
    standings = {VIEW.media_ids[0]: [tag("bird", Standing.APPROVED)]}
    assert names(Wanted(show=show, order=Order.NAME), standings) == expected


def test_an_image_with_an_open_proposal_is_not_decided():
    assert is_decided([tag("bird", Standing.REJECTED)])
    assert not is_decided([tag("bird", Standing.APPROVED), tag("cat", Standing.PROPOSED)])
    assert not is_decided([])


def test_a_tag_filter_follows_what_people_said():
    standings = {
        VIEW.media_ids[0]: [tag("bird", Standing.REJECTED)],
        VIEW.media_ids[3]: [tag("bird", Standing.APPROVED)],
    }
    assert names(Wanted(Show.EVERYTHING, tag="bird", order=Order.NAME), standings) == ["b.jpg", "d.jpg"]
    assert tag_counts(VIEW, standings, MINIMUM) == {"bird": 2, "cat": 1}


def test_names_are_found_in_any_case():
    assert names(Wanted(Show.EVERYTHING, name="B.J", order=Order.NAME)) == ["b.jpg"]


def test_the_most_doubtful_comes_first():
    assert names(Wanted(Show.EVERYTHING))[0] == "b.jpg"


def test_look_alikes_are_one_card_and_a_hidden_first_leaves_the_card_to_the_next():
    view = view_of({name: [("vote", "bird", 0.5)] for name in ("a", "b", "c")}, [0, 0, 2])
    assert queue(view, {}, Wanted(Show.EVERYTHING), MINIMUM) == [[0, 1], [2]]
    decided = {view.media_ids[0]: [tag("bird", Standing.APPROVED)]}
    assert queue(view, decided, Wanted(order=Order.NAME), MINIMUM) == [[1], [2]]
    assert queue(view, {}, Wanted(Show.EVERYTHING, grouped=False, order=Order.NAME), MINIMUM) == [
        [0],
        [1],
        [2],
    ]
    assert view.group_of(1) == [0, 1]


def test_an_empty_folder_has_no_cards():
    assert queue(view_of({}), {}, Wanted(), MINIMUM) == []
