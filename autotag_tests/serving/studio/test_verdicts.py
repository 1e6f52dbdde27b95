from datetime import UTC, datetime

from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, EffectiveTag, Standing
from autotag.serving.studio.verdicts import (
    approvals,
    are_so,
    clearances,
    decisions_of_change,
    rejections_of_the_rest,
    spelled,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROPOSED = EffectiveTag("bird", Standing.PROPOSED, {"vote": 0.8}, {}, "", None)
APPROVED = EffectiveTag("cat", Standing.APPROVED, {"vote": 0.8}, {}, "ann", NOW)
ADDED = EffectiveTag("owl", Standing.APPROVED, {}, {}, "ann", NOW)
REJECTED = EffectiveTag("dog", Standing.REJECTED, {"vote": 0.6}, {}, "ann", NOW)
STANDINGS = {"m": [PROPOSED, APPROVED, ADDED, REJECTED]}


def test_what_came_is_approved_where_it_was_proposed_and_added_where_not():
    found = decisions_of_change(["m"], ["cat"], ["cat", "bird", "elk"], STANDINGS)
    assert found == [Decision("m", "bird", Action.APPROVE), Decision("m", "elk", Action.ADD)]


def test_what_went_is_rejected_and_a_tag_that_only_a_person_gave_is_cleared():
    found = decisions_of_change(["m"], ["cat", "owl"], [], STANDINGS)
    assert found == [Decision("m", "cat", Action.REJECT), Decision("m", "owl", Action.CLEAR)]


def test_only_what_was_changed_here_is_said():
    assert decisions_of_change(["m"], ["owl"], ["owl"], STANDINGS) == []


def test_a_change_counts_for_all_look_alikes_and_once_for_copies():
    found = decisions_of_change(["m", "n", "m"], [], ["bird"], STANDINGS)
    assert found == [Decision("m", "bird", Action.APPROVE), Decision("n", "bird", Action.ADD)]


def test_approving_all_leaves_what_is_decided():
    assert approvals(["m"], ["bird", "dog", "cat"], STANDINGS) == [Decision("m", "bird", Action.APPROVE)]


def test_the_rest_is_rejected_and_decisions_can_be_taken_back():
    assert rejections_of_the_rest(["m"], ["bird"], STANDINGS) == [Decision("m", "bird", Action.REJECT)]
    assert [each.tag for each in clearances(["m"], STANDINGS)] == ["cat", "owl", "dog"]


def test_what_was_shown_is_rejected_and_decisions_and_what_was_not_shown_stand():
    found = rejections_of_the_rest(["m"], ["elk", "cat", "dog"], STANDINGS)
    assert [each.tag for each in found] == ["elk"]


def test_an_image_with_a_proposal_that_nobody_saw_is_not_marked_as_looked_at():
    assert rejections_of_the_rest(["m"], [], {"m": [PROPOSED]}) == []


def test_decisions_are_so_whoever_made_them():
    said = [Decision("m", "cat", Action.ADD), Decision("m", "dog", Action.REJECT)]
    assert are_so([*said, Decision("m", "bird", Action.CLEAR), Decision("n", "elk", Action.CLEAR)], STANDINGS)
    for other in (Decision("m", "bird", Action.APPROVE), Decision("m", "cat", Action.CLEAR)):
        assert not are_so([*said, other], STANDINGS)
    assert not are_so([Decision("n", "elk", Action.REJECT)], STANDINGS)


def test_an_image_with_nothing_to_reject_is_marked_as_looked_at_once():
    assert rejections_of_the_rest(["new"], [], {}) == [Decision("new", ANY_TAG, Action.REJECT)]
    looked_at = EffectiveTag(ANY_TAG, Standing.REJECTED, {}, {}, "ann", NOW)
    assert rejections_of_the_rest(["new"], [], {"new": [looked_at]}) == []


def test_a_typed_tag_takes_the_spelling_that_is_known():
    assert spelled("  eiffel   TOWER ", ["Eiffel Tower"]) == "Eiffel Tower"
    assert spelled("New  Thing", ["Eiffel Tower"]) == "new thing"
