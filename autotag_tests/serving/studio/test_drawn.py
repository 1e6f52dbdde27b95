from datetime import UTC, datetime

from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, EffectiveTag, Standing
from autotag.review.review_queue import Minimum
from autotag.serving.studio.drawn import DrawnImage, drawn_image, tags_to_choose
from autotag.serving.studio.standings import LiveStandings
from autotag_tests.review.folder_views import view_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIEW = view_of(
    {
        "a.jpg": [
            ("vote", "bird", 0.9),
            ("vote", "sea", 0.7),
            *[("zero_shot", f"w{n}", 0.2) for n in range(4)],
        ],
        "b.jpg": [("vote", "cat", 0.9)],
    },
    groups=[0, 0],
)
A, B = VIEW.media_ids
MINIMUM = Minimum({"vote": 0.5, "zero_shot": 0.5}, {})


def word(tag: str, standing: Standing) -> EffectiveTag:
    return EffectiveTag(tag, standing, {"vote": 0.6}, {}, "ann", NOW)


def drawn(*standing: EffectiveTag, least: Minimum = MINIMUM, weak_shown: int | None = 2) -> DrawnImage:
    return drawn_image(VIEW, [0, 1], least, LiveStandings({A: standing, B: ()}, 1), weak_shown)


def test_what_is_believed_and_the_best_of_the_rest_are_drawn() -> None:
    assert [each.tag for each in drawn().found] == ["bird", "sea"]
    assert [each.tag for each in drawn().weak] == ["w0", "w1"]
    assert [each.tag for each in drawn(weak_shown=None).weak] == ["w0", "w1", "w2", "w3"]


def test_what_waits_in_the_ledger_is_drawn_once_and_by_falling_score_among_its_source() -> None:
    waiting = [word(tag, Standing.PROPOSED) for tag in ("bird", "w0", "w3")]
    late = EffectiveTag("old", Standing.PROPOSED, {"vote": 0.7}, {}, "ann", NOW)
    assert [each.tag for each in drawn(*waiting, late).weak] == ["old", "w3", "w0", "w1"]


def test_the_name_changes_with_anything_that_is_drawn() -> None:
    bare = drawn()
    others = [
        drawn(word("bird", Standing.APPROVED)),
        drawn(least=Minimum({"vote": 0.8, "zero_shot": 0.5}, {})),
        drawn_image(VIEW, [0], MINIMUM, LiveStandings({}, 1)),
        drawn_image(VIEW, [1], MINIMUM, LiveStandings({}, 1)),
    ]
    assert len({bare.name, *(each.name for each in others)}) == 5
    assert drawn().name == bare.name


def test_what_a_person_rejected_on_the_shown_image_is_given_to_no_look_alike() -> None:
    struck = word("bird", Standing.REJECTED)
    assert drawn(struck).approvals({A: [struck]}) == [
        Decision(A, "sea", Action.ADD),
        Decision(B, "sea", Action.ADD),
    ]


def test_what_a_person_approved_on_the_shown_image_is_rejected_for_no_look_alike() -> None:
    given = word("bird", Standing.APPROVED)
    found = drawn(given).rejections({A: [given]})
    assert [(each.media_id, each.tag) for each in found] == [
        (media, tag) for media in (A, B) for tag in ("sea", "w0", "w1")
    ]


def test_the_mark_of_a_looked_at_image_is_no_tag_to_choose_and_is_cleared() -> None:
    mark = word(ANY_TAG, Standing.REJECTED)
    image = drawn(mark)
    assert ANY_TAG not in tags_to_choose(VIEW, 0, image)
    assert image.clearances({A: [mark]}) == [Decision(A, ANY_TAG, Action.CLEAR)]
