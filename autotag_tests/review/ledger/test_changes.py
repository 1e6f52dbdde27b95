"""What a page asks: what has changed since it looked."""

from pathlib import Path

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.review.ledger.tag_ledger import TagLedger


def test_images_of_later_events_are_told_whoever_made_them(tmp_path: Path) -> None:
    with TagLedger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        assert ledger.latest() == 0
        assert ledger.changed_since(0) == []
        ledger.propose("run", "model", ["a", "b"], ["vote"], [Proposal("a", "bird", "vote", 0.8)])
        seen = ledger.latest()
        assert ledger.changed_since(0) == ["a"]
        ledger.decide([Decision("b", "cat", Action.ADD), Decision("b", "dog", Action.ADD)], "ann")
        assert ledger.changed_since(seen) == ["b"]
        assert ledger.changed_since(ledger.latest()) == []
