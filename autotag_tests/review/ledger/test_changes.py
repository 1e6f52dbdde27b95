"""What a page asks: what has changed since it looked."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, Proposal, Standing
from autotag.errors import TagsChangedError, UsageError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.decide import write_decisions
from autotag.review.ledger.tag_ledger import TagLedger


def test_images_of_later_events_are_told_whoever_made_them(ledger: TagLedger) -> None:
    assert ledger.latest() == 0
    assert ledger.changed_since(0) == []
    ledger.propose("run", "model", ["a", "b"], ["vote"], [Proposal("a", "bird", "vote", 0.8)])
    seen = ledger.latest()
    assert ledger.changed_since(0) == ["a"]
    ledger.decide([Decision("b", "cat", Action.ADD), Decision("b", "dog", Action.ADD)], "ann")
    assert ledger.changed_since(seen) == ["b"]
    assert ledger.changed_since(ledger.latest()) == []


def test_a_decision_on_images_of_which_somebody_said_something_meanwhile_is_not_written(
    ledger: TagLedger,
) -> None:
    seen = ledger.latest()
    ledger.decide([Decision("a", "bird", Action.REJECT)], "bob")
    both = [Decision("a", "bird", Action.ADD), Decision("b", "bird", Action.ADD)]
    with pytest.raises(TagsChangedError, match="tags of 1 of these images changed"):
        ledger.decide(both, "ann", unchanged_since=seen)
    assert [tag.standing for tag in ledger.effective(["a"])["a"]] == [Standing.REJECTED]
    assert ledger.effective(["b"]) == {"b": []}
    ledger.decide(both[1:], "ann", unchanged_since=seen)
    ledger.decide(both[:1], "ann", unchanged_since=ledger.latest())
    assert [tag.standing for tag in ledger.effective(["a"])["a"]] == [Standing.APPROVED]


def test_nobody_says_anything_between_the_look_and_the_writing(url: str) -> None:
    """Another process holds the ledger with a decision that is not committed yet: whoever waits for it has to see it."""
    with TagLedger.open(url) as ledger, LedgerDatabase.open(url, 10.0, must_exist=True).writing() as other:
        write_decisions(other, [Decision("a", "bird", Action.REJECT)], ("click", "person", "bob"), 0)
        waits = ThreadPoolExecutor(1)
        late = waits.submit(ledger.decide, [Decision("a", "bird", Action.ADD)], "ann", unchanged_since=0)
        with pytest.raises(TimeoutError):
            late.result(timeout=0.5)
        other.commit()
        with pytest.raises(TagsChangedError):
            late.result(timeout=10)
        waits.shutdown()
        assert [tag.standing for tag in ledger.effective(["a"])["a"]] == [Standing.REJECTED]


@pytest.mark.parametrize("action", [Action.APPROVE, Action.ADD])
def test_the_mark_of_an_image_without_tags_is_never_given(ledger: TagLedger, action: Action) -> None:
    ledger.decide([Decision("a", ANY_TAG, Action.REJECT)], "ann")
    with pytest.raises(UsageError, match=r"\(any tag\) is no tag to give"):
        ledger.decide([Decision("a", "bird", Action.ADD), Decision("a", ANY_TAG, action)], "ann")
    assert [tag.tag for tag in ledger.effective(["a"])["a"]] == [ANY_TAG]
    ledger.decide([Decision("a", ANY_TAG, Action.CLEAR)], "ann")
    assert ledger.effective(["a"]) == {"a": []}
