"""What people's words rest on: kept with the word, and gone with what is taken back."""

from autotag.domain.ledger_entries import Action, Decision
from autotag.review.ledger.tag_ledger import TagLedger


def say(ledger: TagLedger, evidence: str, action: Action = Action.ADD, by: str = "ann") -> str:
    return ledger.decide([Decision("a", "leaf", action, evidence)], by)


def test_all_that_was_given_as_a_reason_counts_as_long_as_the_tag_stands(ledger: TagLedger) -> None:
    say(ledger, "regions/0")
    assert [event.evidence for event in ledger.history("a")] == ["regions/0"]
    second = say(ledger, "regions/2")
    assert ledger.approved_because(["a", "b"]) == {"a": {"regions/0", "regions/2"}}
    ledger.undo(second, "ann")
    assert ledger.approved_because(["a"]) == {"a": {"regions/0"}}
    say(ledger, "", Action.APPROVE, "bob")
    assert ledger.approved_because(["a"]) == {"a": {"regions/0"}}
    say(ledger, "", Action.REJECT)
    assert ledger.approved_because(["a"]) == {}


def test_a_word_that_stands_is_written_again_only_for_a_reason_that_is_new(ledger: TagLedger) -> None:
    say(ledger, "regions/0")
    say(ledger, "regions/0")
    say(ledger, "")
    assert len(ledger.history("a")) == 1
    say(ledger, "regions/1")
    assert len(ledger.history("a")) == 2


def test_an_undo_that_is_undone_brings_the_reason_back(ledger: TagLedger) -> None:
    run = say(ledger, "regions/0")
    undo = ledger.undo(run, "ann").run_id
    assert ledger.approved_because(["a"]) == {}
    ledger.undo(undo, "ann")
    assert ledger.approved_because(["a"]) == {"a": {"regions/0"}}


def test_a_rejection_gives_no_reason_for_the_tag(ledger: TagLedger) -> None:
    say(ledger, "regions/0", Action.REJECT)
    assert ledger.approved_because(["a"]) == {}
    say(ledger, "", Action.ADD)
    assert ledger.approved_because(["a"]) == {}
