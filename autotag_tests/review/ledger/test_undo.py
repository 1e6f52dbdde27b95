import pytest

from autotag.errors import UsageError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, seen, vote

MODEL = "m"


def test_an_undone_run_proposed_nothing(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x", 0.4), vote("a", "y")])
    ledger.propose("r2", MODEL, ["a"], ["vote"], [vote("a", "x", 0.6), vote("a", "z")])
    counts = ledger.undo("r2", "ann")
    assert (counts.proposed, counts.withdrawn) == (2, 1)
    assert seen(ledger, "a")["a"] == [
        ("y", "proposed", {"vote": 0.5}, ""),
        ("x", "proposed", {"vote": 0.4}, ""),
    ]


def test_what_a_later_run_proposes_too_stays_though_it_wrote_no_event(ledger: TagLedger) -> None:
    for run in ("r1", "r2"):
        ledger.propose(run, MODEL, ["a"], ["vote"], [vote("a", "x")])
    assert ledger.undo("r1", "ann").withdrawn == 0
    assert len(seen(ledger, "a")["a"]) == 1
    assert ledger.undo("r2", "ann").withdrawn == 1
    assert seen(ledger, "a")["a"] == []


def test_what_a_later_run_no_longer_proposes_does_not_come_back(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x")])
    ledger.propose("r2", MODEL, ["a"], ["vote"], [vote("a", "y")])
    ledger.propose("r3", MODEL, ["a"], ["vote"], [])
    ledger.undo("r2", "ann")
    assert seen(ledger, "a")["a"] == []


def test_an_undone_click_gives_way_to_the_word_before_it_with_its_name_and_time(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "x")], "ann")
    before = ledger.effective(["a"])
    click = ledger.decide([decision("a", "x", "reject")], "bob")
    assert ledger.undo(click, "carol").decided == 1
    assert ledger.effective(["a"]) == before
    last = ledger.history("a")[-1]
    assert (last.actor, last.action.value, last.actor_kind) == ("carol", "approve", "person")


def test_what_others_decided_later_stands(ledger: TagLedger) -> None:
    click = ledger.decide([decision("a", "x"), decision("a", "y")], "ann")
    ledger.decide([decision("a", "x", "reject")], "bob")
    assert ledger.undo(click, "ann").cleared == 1
    assert seen(ledger, "a")["a"] == [("x", "rejected", {}, "bob")]


def test_two_words_are_undone_one_after_the_other_in_either_order(ledger: TagLedger) -> None:
    for media, order in {"a": (0, 1), "b": (1, 0)}.items():
        clicks = [
            ledger.decide([decision(media, "x")], "ann"),
            ledger.decide([decision(media, "x", "reject")], "bob"),
        ]
        for number in order:
            ledger.undo(clicks[number], "carol")
        assert seen(ledger, media) == {media: []}


def test_an_undo_can_be_undone_and_so_on(ledger: TagLedger) -> None:
    click = ledger.decide([decision("a", "x")], "ann")
    with_it, without = seen(ledger, "a"), {"a": []}
    last = click
    for expected in (without, with_it, without, with_it):
        last = ledger.undo(last, "bob").run_id
        assert seen(ledger, "a") == expected
    assert seen(ledger, "a")["a"][0][3] == "ann"
    ledger.undo(click, "bob")  # which counts again
    assert seen(ledger, "a") == without


def test_an_undone_undo_does_not_override_what_was_decided_between(ledger: TagLedger) -> None:
    click = ledger.decide([decision("a", "x")], "ann")
    undo = ledger.undo(click, "ann").run_id
    ledger.decide([decision("a", "x", "reject")], "bob")
    ledger.undo(undo, "ann")
    assert seen(ledger, "a")["a"] == [("x", "rejected", {}, "bob")]


def test_a_machine_run_is_undone_below_the_words_of_people(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x")])
    ledger.decide([decision("a", "x")], "ann")
    ledger.undo("r1", "bob")
    assert seen(ledger, "a")["a"] == [("x", "approved", {}, "ann")]


def test_a_run_is_undone_once(ledger: TagLedger) -> None:
    click = ledger.decide([decision("a", "x")], "ann")
    undo = ledger.undo(click, "bob").run_id
    with pytest.raises(UsageError, match=f"undone already, by bob.*{undo}"):
        ledger.undo(click, "ann")
    assert len(ledger.runs()) == 2


def test_nothing_is_added_to_an_undone_run(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [])
    ledger.undo("r1", "ann")
    with pytest.raises(UsageError, match="was undone"):
        ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x")])


def test_an_unknown_run_cannot_be_undone(ledger: TagLedger) -> None:
    with pytest.raises(UsageError, match="no run 'nope'"):
        ledger.undo("nope", "ann")
