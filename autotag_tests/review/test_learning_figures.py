"""What was decided, and how good proposals were before and after the machine had something to learn from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, Proposal
from autotag.review.learning_figures import learning_figures
from autotag.review.ledger import tag_ledger as ledger_module
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.tag_ledger import TagLedger

IMAGES = [f"{number:064x}" for number in range(10)]


class Clock:
    """Says when the ledger writes something."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def us(self) -> int:
        return round(self.now.timestamp() * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ledger_module, "_now_us", clock.us)
    return clock


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[TagLedger]:
    with TagLedger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        yield ledger


def propose(ledger: TagLedger, run: str, tag: str, images: list[str], score: float = 0.5) -> None:
    ledger.propose(run, "model", images, ["vote"], [Proposal(media, tag, "vote", score) for media in images])


def say(ledger: TagLedger, action: Action, tag: str, images: list[str], by: str = "ann") -> str:
    return ledger.decide([Decision(media, tag, action) for media in images], by)


def row(ledger: TagLedger, tag: str) -> dict[str, Any]:
    return next(each for each in learning_figures(ledger).by_tag.to_pylist() if each["tag"] == tag)


def test_precision_before_is_of_proposals_made_when_nobody_had_decided_on_the_tag(
    ledger: TagLedger, clock: Clock
) -> None:
    propose(ledger, "run1", "bird", IMAGES[:4])
    clock.wait(10)
    say(ledger, Action.APPROVE, "bird", IMAGES[:1])
    say(ledger, Action.REJECT, "bird", IMAGES[1:4])
    clock.wait(10)
    propose(ledger, "run2", "bird", IMAGES[4:8])
    clock.wait(10)
    say(ledger, Action.APPROVE, "bird", IMAGES[4:7])
    say(ledger, Action.REJECT, "bird", IMAGES[7:8])
    found = row(ledger, "bird")
    assert (found["judged_before"], found["right_before"], found["precision_before"]) == (4, 1, 0.25)
    assert (found["judged_after"], found["right_after"], found["precision_after"]) == (4, 3, 0.75)
    assert (found["approved"], found["rejected"]) == (4, 4)


def test_each_tag_has_its_own_before(ledger: TagLedger, clock: Clock) -> None:
    propose(ledger, "run1", "bird", IMAGES[:1])
    say(ledger, Action.APPROVE, "bird", IMAGES[:1])
    clock.wait(10)
    propose(ledger, "run2", "boat", IMAGES[:1])
    clock.wait(10)
    say(ledger, Action.REJECT, "boat", IMAGES[:1])
    found = row(ledger, "boat")
    assert (found["judged_before"], found["judged_after"]) == (1, 0)
    assert (found["precision_before"], found["precision_after"]) == (0.0, None)


def test_the_last_word_counts_and_what_was_taken_back_does_not(ledger: TagLedger, clock: Clock) -> None:
    propose(ledger, "run1", "bird", IMAGES[:3])
    clock.wait(10)
    say(ledger, Action.APPROVE, "bird", IMAGES[:3])
    say(ledger, Action.REJECT, "bird", IMAGES[:1])
    say(ledger, Action.CLEAR, "bird", IMAGES[1:2])
    found = row(ledger, "bird")
    assert (found["judged_before"], found["right_before"]) == (2, 1)
    assert (found["approved"], found["rejected"]) == (1, 1)


def test_an_undone_click_leaves_no_figures_but_its_count(ledger: TagLedger, clock: Clock) -> None:
    propose(ledger, "run1", "bird", IMAGES[:3])
    clock.wait(10)
    ledger.undo(say(ledger, Action.APPROVE, "bird", IMAGES[:3]), "ann")
    figures = learning_figures(ledger)
    assert (figures.tags_decided, figures.images_decided, figures.decisions) == (0, 0, 3)
    assert figures.by_tag.num_rows == 0


def test_a_tag_that_nobody_proposed_is_decided_but_not_judged(ledger: TagLedger) -> None:
    say(ledger, Action.ADD, "bird", IMAGES[:2])
    found = row(ledger, "bird")
    assert (found["approved"], found["judged_before"], found["judged_after"]) == (2, 0, 0)


def test_an_image_of_which_there_is_nothing_to_say_is_decided_and_has_no_tag_more(ledger: TagLedger) -> None:
    say(ledger, Action.ADD, "bird", IMAGES[:1])
    say(ledger, Action.REJECT, ANY_TAG, IMAGES[1:3])
    found = learning_figures(ledger)
    assert found.by_tag["tag"].to_pylist() == ["bird"]
    assert (found.tags_decided, found.images_decided, found.decisions) == (1, 3, 3)


def test_decisions_per_minute_leave_out_pauses_and_what_opens_a_sitting(
    ledger: TagLedger, clock: Clock
) -> None:
    for _ in range(2):
        for number in range(4):
            say(ledger, Action.ADD, f"tag{number}-{clock.now}", IMAGES[:2])
            clock.wait(20)
        clock.wait(3600)
    figures = learning_figures(ledger)
    assert figures.decisions == 16
    assert figures.active_minutes == pytest.approx(2.0)  # three gaps of 20 s, twice
    assert figures.decisions_per_minute == pytest.approx(6.0)  # three clicks of two decisions, twice


def test_two_people_do_not_shorten_each_others_time(ledger: TagLedger, clock: Clock) -> None:
    for number in range(3):
        say(ledger, Action.ADD, f"a{number}", IMAGES[:1], "ann")
        clock.wait(15)
        say(ledger, Action.ADD, f"b{number}", IMAGES[:1], "bob")
        clock.wait(15)
    figures = learning_figures(ledger)
    assert figures.active_minutes == pytest.approx(2.0)
    assert figures.decisions_per_minute == pytest.approx(2.0)


def test_an_import_is_decided_but_is_no_persons_time(ledger: TagLedger, clock: Clock) -> None:
    ledger.decide([Decision(IMAGES[0], "bird", Action.APPROVE)], "sheet.csv", kind="import")
    figures = learning_figures(ledger)
    assert (figures.tags_decided, figures.decisions, figures.decisions_per_minute) == (1, 0, None)


def test_judged_proposals_are_those_that_thresholds_are_fitted_to(ledger: TagLedger, clock: Clock) -> None:
    propose(ledger, "run1", "bird", IMAGES[:5])
    propose(ledger, "run1b", "boat", IMAGES[5:])
    clock.wait(10)
    say(ledger, Action.APPROVE, "bird", IMAGES[:3])
    say(ledger, Action.REJECT, "boat", IMAGES[4:8])
    clock.wait(10)
    propose(ledger, "run2", "bird", IMAGES[:5], 0.75)
    clock.wait(10)
    say(ledger, Action.REJECT, "bird", IMAGES[2:5])
    rows = learning_figures(ledger).by_tag.to_pylist()
    decided = list(ledger.decided("vote"))
    assert sum(each["judged_before"] + each["judged_after"] for each in rows) == len(decided)
    assert sum(each["right_before"] + each["right_after"] for each in rows) == sum(
        each.is_right for each in decided
    )


def test_what_another_tab_decides_while_figures_are_added_up_comes_with_the_next_look(
    ledger: TagLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(ledger, "run1", "bird", IMAGES[:4])
    clock.wait(10)
    say(ledger, Action.APPROVE, "bird", IMAGES[:1])
    clicks = iter(range(1, 4))

    def clicked_after(name: str) -> None:
        ask = getattr(ledger, name)

        def asked(*given: Any) -> Any:
            found = ask(*given)
            found = found if isinstance(found, dict) else list(found)
            number = next(clicks)
            say(ledger, Action.ADD, f"tag{number}", IMAGES[:1])
            say(ledger, Action.REJECT, "bird", IMAGES[number : number + 1])
            return found

        monkeypatch.setattr(ledger, name, asked)

    for name in ("runs", "decisions_since", "effective"):
        clicked_after(name)
    figures = learning_figures(ledger)
    monkeypatch.undo()
    monkeypatch.setattr(ledger_module, "_now_us", clock.us)
    assert figures.decisions == 1
    assert learning_figures(ledger).decisions == 7
    found = row(ledger, "bird")
    assert (found["judged_before"], found["right_before"]) == (4, 1)


def test_histories_of_a_thousand_images_are_read_in_a_few_transactions(
    ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [f"{number:064x}" for number in range(1000)]
    propose(ledger, "run1", "bird", images)
    say(ledger, Action.APPROVE, "bird", images)
    transactions = 0
    read = LedgerDatabase.reading

    def counted(self: LedgerDatabase) -> Any:
        nonlocal transactions
        transactions += 1
        return read(self)

    monkeypatch.setattr(LedgerDatabase, "reading", counted)
    assert row(ledger, "bird")["judged_before"] == 1000
    assert transactions < 10


def test_an_empty_ledger_has_empty_figures(ledger: TagLedger) -> None:
    figures = learning_figures(ledger)
    assert (figures.by_tag.num_rows, figures.tags_decided, figures.decisions_per_minute) == (0, 0, None)
