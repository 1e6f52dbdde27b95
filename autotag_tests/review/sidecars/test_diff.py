"""Ours are added, what earlier runs of ours wrote and nobody wants goes, what others wrote stays."""

from hypothesis import given
from hypothesis import strategies as st

from autotag.review.sidecars.diff import keyword_diff, owned_after
from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT, TAGS_LIST, FieldValues, same_word


def test_new_keywords_come_after_those_that_are_there() -> None:
    diff = keyword_diff({SUBJECT: ("holiday", "sea")}, ["bird"], {})
    assert diff.values == {SUBJECT: ("holiday", "sea", "bird")}
    assert (diff.added, diff.removed) == ({SUBJECT: ("bird",)}, {})


def test_a_keyword_that_is_there_in_another_case_is_there() -> None:
    diff = keyword_diff({SUBJECT: ("Bird",)}, ["bird"], {})
    assert diff.is_empty
    assert diff.values == {SUBJECT: ("Bird",)}


def test_what_an_earlier_run_wrote_and_nobody_approves_any_more_goes() -> None:
    diff = keyword_diff({SUBJECT: ("holiday", "bird", "sea")}, ["sea"], {SUBJECT: ("bird", "sea")})
    assert diff.values == {SUBJECT: ("holiday", "sea")}
    assert (diff.added, diff.removed) == ({}, {SUBJECT: ("bird",)})


def test_the_same_keyword_stays_where_others_wrote_it() -> None:
    assert keyword_diff({SUBJECT: ("bird",)}, [], {}).values == {SUBJECT: ("bird",)}


def test_a_last_level_stays_as_long_as_another_label_ends_in_it() -> None:
    owned = {SUBJECT: ("bird",), HIERARCHICAL: ("animal|bird", "toy|bird")}
    diff = keyword_diff(owned, ["toy|bird"], owned)
    assert diff.values == {SUBJECT: ("bird",), HIERARCHICAL: ("toy|bird",)}


def test_keywords_of_others_leave_the_hierarchical_field_with_our_last_path() -> None:
    before = {SUBJECT: ("holiday",)}
    first = keyword_diff(before, ["animal|bird"], {})
    assert first.values == {SUBJECT: ("holiday", "bird"), HIERARCHICAL: ("holiday", "animal|bird")}
    owned = owned_after({}, first.added, first.removed)
    again = keyword_diff(first.values, ["animal|bird"], owned)
    assert again.is_empty
    assert keyword_diff(first.values, [], owned).values == before


words = st.sampled_from(
    ["bird", "Bird", "sea", "holiday", "animal|bird", "a/b", "toy|bird", "caf\u00e9", "cafe\u0301"]
)
lists = st.lists(words, unique=True, max_size=6).map(tuple)
sidecars = st.dictionaries(st.sampled_from([SUBJECT, HIERARCHICAL, TAGS_LIST]), lists.filter(bool))
labels = st.lists(words, unique=True, max_size=5)


@given(sidecars, labels)
def test_what_others_wrote_stays_in_its_order(existing: FieldValues, wanted: list[str]) -> None:
    diff = keyword_diff(existing, wanted, {})
    assert not diff.removed
    for field, keywords in existing.items():
        assert diff.values[field][: len(keywords)] == keywords


@given(sidecars, labels)
def test_every_label_is_in_the_flat_field_once(existing: FieldValues, wanted: list[str]) -> None:
    there = [same_word(keyword) for keyword in keyword_diff(existing, wanted, {}).values.get(SUBJECT, ())]
    for label in wanted:
        assert same_word(label.rpartition("|")[2]) in there
    new = keyword_diff(existing, wanted, {}).added.get(SUBJECT, ())
    assert len({same_word(keyword) for keyword in new}) == len(new)


@given(sidecars, labels)
def test_a_second_run_changes_nothing(existing: FieldValues, wanted: list[str]) -> None:
    first = keyword_diff(existing, wanted, {})
    assert keyword_diff(first.values, wanted, owned_after({}, first.added, first.removed)).is_empty


@given(sidecars, st.lists(labels, max_size=4))
def test_runs_that_end_with_nothing_approved_leave_the_sidecar_of_before(
    existing: FieldValues, runs: list[list[str]]
) -> None:
    now, owned = existing, {}
    for wanted in [*runs, []]:
        diff = keyword_diff(now, wanted, owned)
        now, owned = diff.values, owned_after(owned, diff.added, diff.removed)
    assert now == existing
    assert not owned
