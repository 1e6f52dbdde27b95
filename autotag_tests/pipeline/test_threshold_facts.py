import pytest

from autotag.domain.ledger_entries import Action
from autotag.errors import BadLabelsError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.threshold_facts import is_stale, state_to_fit
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps
from autotag_tests.pipeline.reference_steps import build, colour_shard


def test_decisions_make_thresholds_stale_until_they_are_fitted_again(
    plan: PipelinePlan, asked: Settings
) -> None:
    assert is_stale(plan, asked)
    steps.fit(plan, asked)
    assert not is_stale(plan, asked)
    steps.decide(plan, asked, Action.REJECT)
    assert is_stale(plan, asked)
    steps.fit(plan, asked)
    assert not is_stale(plan, asked)


def test_a_new_index_and_other_labels_make_them_stale(
    plan: PipelinePlan, asked: Settings, archive: Archive
) -> None:
    steps.fit(plan, asked)
    labels = asked.base / "labels.txt"
    labels.write_text("red\n")
    assert is_stale(plan, asked)
    labels.write_text("red\nblue\n")
    assert not is_stale(plan, asked)
    colour_shard(archive, "00001", 500, each=1)
    build(plan, "00001")
    assert is_stale(plan, asked)


def test_what_only_cuts_off_at_the_end_makes_nothing_stale(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    assert not is_stale(plan, steps.changed(asked, "tagging", threshold=0.9, max_tags=1))
    assert is_stale(plan, steps.changed(asked, "tagging", k=5))


def test_a_state_is_named_until_it_is_fitted_and_going_back_to_it_names_it_again(
    plan: PipelinePlan, asked: Settings
) -> None:
    other = steps.changed(asked, "tagging", k=5)
    first, second = state_to_fit(plan, asked), state_to_fit(plan, other)
    assert "" != first != second != ""
    steps.fit(plan, asked)
    assert state_to_fit(plan, asked) == ""
    steps.fit(plan, other)
    assert state_to_fit(plan, asked) == first


def test_a_fit_to_another_precision_asks_for_no_fit_of_this_one(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    steps.fit(plan, steps.changed(asked, "thresholds", target_precision=0.95))
    assert state_to_fit(plan, asked) == ""


def test_a_damaged_table_is_fitted_again(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    plan.layout.thresholds(plan.model_id, 0.8).write_bytes(b"no table")
    assert state_to_fit(plan, asked)


def test_a_label_list_that_cannot_be_used_is_told(plan: PipelinePlan, asked: Settings) -> None:
    (asked.base / "labels.txt").write_bytes(b"red\n\x00\n")
    with pytest.raises(BadLabelsError, match="line 2"):
        is_stale(plan, asked)
