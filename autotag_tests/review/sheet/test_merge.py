from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.ledger_entries import Action, EffectiveTag, Standing
from autotag.review.sheet.exports import ExportedImage
from autotag.review.sheet.merge import Conflict, edit_of, merge

AT = datetime(2026, 1, 1, tzinfo=UTC)


def exported(approved: set[str] = frozenset(), rejected: set[str] = frozenset()) -> ExportedImage:  # type: ignore[assignment]
    return ExportedImage("m", frozenset(approved), frozenset(rejected))


def tag(name: str, standing: Standing, proposed: bool = False) -> EffectiveTag:
    is_open = standing is Standing.PROPOSED
    scores = {"vote": 0.5} if proposed or is_open else {}
    return EffectiveTag(name, standing, scores, {}, "" if is_open else "ann", None if is_open else AT)


def merged(image: ExportedImage, approved: set[str], *now: EffectiveTag, force: bool = False):
    return merge(edit_of(image, frozenset(approved)), image, {each.tag: each for each in now}, force=force)


def actions(found) -> dict[str, Action]:
    return {decision.tag: decision.action for decision in found.decisions}


def test_what_was_not_edited_is_no_statement_whatever_happened_since() -> None:
    found = merged(exported({"bird"}), {"bird"}, tag("bird", Standing.REJECTED))
    assert (found.decisions, found.conflicts, found.already) == ((), (), 0)


def test_a_label_that_was_added_is_approved_where_it_is_proposed_and_added_elsewhere() -> None:
    found = merged(exported(), {"bird", "sea"}, tag("bird", Standing.PROPOSED))
    assert actions(found) == {"bird": Action.APPROVE, "sea": Action.ADD}


def test_a_label_that_was_removed_is_rejected_so_that_no_machine_brings_it_back() -> None:
    assert actions(merged(exported({"bird"}), set(), tag("bird", Standing.APPROVED))) == {
        "bird": Action.REJECT
    }


def test_what_stands_as_the_sheet_wants_it_is_left() -> None:
    now = (tag("new", Standing.APPROVED), tag("gone", Standing.REJECTED))
    found = merged(exported({"gone", "cleared"}), {"new"}, *now)
    assert (found.decisions, found.conflicts, found.already) == ((), (), 3)


def test_a_rejection_that_the_editor_could_see_is_overruled() -> None:
    now = tag("bird", Standing.REJECTED, proposed=True)
    assert actions(merged(exported(rejected={"bird"}), {"bird"}, now)) == {"bird": Action.APPROVE}


def test_a_rejection_since_the_export_is_a_conflict_unless_the_sheet_is_forced() -> None:
    now = tag("bird", Standing.REJECTED)
    found = merged(exported(), {"bird"}, now)
    assert found.conflicts == (Conflict("bird", Action.ADD, Standing.REJECTED, "ann"),)
    assert found.decisions == ()
    assert actions(merged(exported(), {"bird"}, now, force=True)) == {"bird": Action.ADD}


NAMES = st.sets(st.sampled_from("abcde"))
STANDINGS = st.dictionaries(
    st.sampled_from("abcde"),
    st.tuples(st.sampled_from(Standing), st.booleans()),
)


@given(NAMES, NAMES, STANDINGS, st.booleans())
def test_every_label_that_was_changed_is_counted_once_and_no_other_is_touched(
    before: set[str], after: set[str], standings, force: bool
) -> None:
    image = exported(before)
    found = merged(image, after, *(tag(name, *facts) for name, facts in standings.items()), force=force)
    touched = [each.tag for each in (*found.decisions, *found.conflicts)]
    assert len(touched) == len(set(touched))
    assert set(touched) <= before ^ after
    assert len(touched) + found.already == len(before ^ after)
    assert not (force and found.conflicts)
