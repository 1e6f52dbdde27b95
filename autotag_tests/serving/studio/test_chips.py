from datetime import UTC, datetime

from autotag.domain.ledger_entries import EffectiveTag, Standing
from autotag.review.folder_view import Suggestion
from autotag.serving.studio.chips import chips_html, chips_of, name_html

APPROVED = EffectiveTag("cat", Standing.APPROVED, {"vote": 0.8}, {}, "ann", datetime(2026, 1, 1, tzinfo=UTC))


def test_decided_tags_come_first_and_are_not_told_twice():
    found = chips_of([APPROVED], [Suggestion("cat", "vote", 0.8), Suggestion("owl", "vote", 0.5)])
    assert [(each.tag, each.kind, each.told) for each in found] == [
        ("cat", "approved", "vote 0.80"),
        ("owl", "vote", "vote 0.50"),
    ]


def test_what_is_not_believed_is_marked_so():
    (chip,) = chips_of([], [], [Suggestion("elk", "zero_shot", 0.1)])
    assert chip.is_weak
    assert 'class="chip zero_shot weak"' in chips_html([chip])


def test_tags_and_names_of_strangers_are_no_html():
    html = chips_html(chips_of([], [Suggestion("<script>", "vote", 0.5)]))
    assert "<script>" not in html
    assert "<b>" not in name_html('"><b>x', 0, decided=False)


def test_a_reason_stands_where_there_are_no_tags():
    assert "nothing is alike" in chips_html([], "nothing is alike")
    assert "nothing is alike" not in chips_html(chips_of([APPROVED], []), "nothing is alike")
