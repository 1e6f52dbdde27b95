"""The audit of proposals: what stands in the ledger is what the sources say, whatever people decided."""

from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Action
from autotag.errors import MissingInputError
from autotag.pipeline.audit_proposals import audit_tag_proposals
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.propose_tags import propose_tags
from autotag.pipeline.score_labels import score_labels
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import colour_folder, rows_of, rules
from autotag_tests.pipeline.review_steps import decide, open_ledger


@pytest.fixture
def scored(plan: PipelinePlan, folders: Folders) -> None:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules(threshold=0.4))


def propose(plan: PipelinePlan, run_id: str) -> None:
    with open_ledger(plan) as ledger:
        propose_tags(plan, "trip", run_id, ledger)


def test_proposals_are_what_the_sources_say_also_after_decisions(
    plan: PipelinePlan, settings: Settings, scored: None
) -> None:
    propose(plan, "run-1")
    over = {file: row["over_threshold"] for file, row in rows_of(plan).items()}
    (file, (tag, *_)) = next((file, tags) for file, tags in over.items() if tags)
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {file: [tag]}, Action.REJECT)
        decide(ledger, plan, "trip", {file: ["mine"]}, Action.ADD)
    found = audit_tag_proposals(plan, "trip", settings)
    assert (found.items, found.faults) == (sum(map(len, over.values())), ())


def test_proposals_that_were_undone_are_told(plan: PipelinePlan, settings: Settings, scored: None) -> None:
    propose(plan, "run-1")
    with open_ledger(plan) as ledger:
        ledger.undo("run-1", "ann")
    (fault,) = audit_tag_proposals(plan, "trip", settings).faults
    assert "tags of zero_shot are not proposed in the ledger" in fault


def test_proposals_that_no_source_says_any_more_are_told(
    plan: PipelinePlan, settings: Settings, scored: None
) -> None:
    propose(plan, "run-1")
    score_labels(plan, "trip", rules(threshold=0.99))
    (fault,) = audit_tag_proposals(plan, "trip", settings).faults
    assert "proposals of zero_shot stand in the ledger though it does not say so" in fault


def test_a_ledger_that_is_gone_is_missing(plan: PipelinePlan, settings: Settings, scored: None) -> None:
    with pytest.raises(MissingInputError):
        audit_tag_proposals(plan, "trip", settings)
    assert not Path(plan.layout.ledger.path).exists()
