from datetime import UTC, datetime, timedelta

import pytest

from autotag.domain.ledger_entries import Action, Decision, Proposal, Standing
from autotag.errors import UsageError
from autotag.review.ledger.records import ComparedRuns, DecidedTag, ProposalChange, ProposeCounts
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, seen, vote, zero_shot

MODEL = "detector+embedder"


def test_a_new_proposal_stands(ledger: TagLedger) -> None:
    counts = ledger.propose("r1", MODEL, ["a", "b"], ["vote"], [vote("a", "bird", 0.8, "vote/1/7")])
    assert counts == ProposeCounts(proposed=1, withdrawn=0, unchanged=0)
    found = ledger.effective(["b", "a", "unknown"])
    assert list(found) == ["b", "a", "unknown"]
    assert found["b"] == found["unknown"] == []
    (tag,) = found["a"]
    assert (tag.tag, tag.standing, tag.scores) == ("bird", Standing.PROPOSED, {"vote": 0.8})
    assert (tag.evidence, tag.decided_by, tag.decided_at) == ({"vote": "vote/1/7"}, "", None)


def test_the_same_proposals_again_add_no_event(ledger: TagLedger) -> None:
    proposals = [vote("a", "bird", 0.8), vote("a", "sea", 0.4)]
    ledger.propose("r1", MODEL, ["a"], ["vote"], proposals)
    assert ledger.propose("r2", MODEL, ["a"], ["vote"], proposals) == ProposeCounts(0, 0, 2)
    assert {event.run_id for event in ledger.history("a")} == {"r1"}


@pytest.mark.parametrize(
    ("model", "proposal"),
    [
        (MODEL, vote("a", "bird", 0.9, "e")),
        (MODEL, vote("a", "bird", 0.8, "f")),
        ("other", vote("a", "bird", 0.8, "e")),
    ],
)
def test_a_changed_score_evidence_or_model_is_proposed_again(
    ledger: TagLedger, model: str, proposal: Proposal
) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "bird", 0.8, "e")])
    assert ledger.propose("r2", model, ["a"], ["vote"], [proposal]) == ProposeCounts(1, 0, 0)
    last = ledger.history("a")[-1]
    assert (last.model_id, last.score, last.evidence) == (model, proposal.score, proposal.evidence)


def test_a_rerun_withdraws_only_its_own_source_of_the_images_it_looked_at(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a", "b"], ["vote"], [vote("a", "bird"), vote("b", "bird")])
    ledger.propose("r1", MODEL, ["a"], ["zero_shot"], [zero_shot("a", "bird")])
    assert ledger.propose("r2", MODEL, ["a"], ["vote"], []) == ProposeCounts(0, 1, 0)
    assert seen(ledger, "ab") == {
        "a": [("bird", "proposed", {"zero_shot": 0.5}, "")],
        "b": [("bird", "proposed", {"vote": 0.5}, "")],
    }


def test_one_call_may_bring_two_sources(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote", "zero_shot"], [vote("a", "x", 0.1), zero_shot("a", "x", 0.9)])
    assert seen(ledger, "a") == {"a": [("x", "proposed", {"vote": 0.1, "zero_shot": 0.9}, "")]}


def test_of_two_files_with_the_same_bytes_the_better_score_counts(ledger: TagLedger) -> None:
    twice = [vote("a", "bird", 0.4), vote("a", "bird", 0.6), vote("a", "bird", 0.5)]
    assert ledger.propose("r1", MODEL, ["a", "a"], ["vote"], twice).proposed == 1
    assert seen(ledger, "a")["a"][0][2] == {"vote": 0.6}


@pytest.mark.parametrize(
    "proposal",
    [vote("b", "bird"), zero_shot("a", "bird"), vote("a", ""), vote("a", "bird", float("nan"))],
    ids=["other image", "other source", "no tag", "no score"],
)
def test_a_proposal_that_cannot_be_is_refused_and_nothing_is_written(
    ledger: TagLedger, proposal: Proposal
) -> None:
    with pytest.raises(ValueError):
        ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "sea"), proposal])
    assert ledger.runs() == []


def test_approved_come_first_then_proposed_by_score_then_rejected(ledger: TagLedger) -> None:
    scores = {"low": 0.2, "high": 0.9, "mid": 0.5, "wrong": 0.99, "right": 0.1}
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", tag, score) for tag, score in scores.items()])
    ledger.propose("r1", MODEL, ["a"], ["zero_shot"], [zero_shot("a", "low", 0.7)])
    ledger.decide(
        [decision("a", "wrong", "reject"), decision("a", "right"), decision("a", "own", "add")], "ann"
    )
    assert [tag.tag for tag in ledger.effective(["a"])["a"]] == [
        "right",
        "own",
        "high",
        "low",
        "mid",
        "wrong",
    ]


def test_a_decision_says_who_and_when(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "bird", "add")], "ann")
    (tag,) = ledger.effective(["a"])["a"]
    assert (tag.standing, tag.decided_by, tag.scores) == (Standing.APPROVED, "ann", {})
    assert tag.decided_at is not None
    assert tag.decided_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - tag.decided_at) < timedelta(minutes=5)


def test_a_machine_never_changes_what_a_person_decided(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "bird", "reject"), decision("a", "sea")], "ann")
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "bird", 0.99)])
    ledger.propose("r2", MODEL, ["a"], ["vote"], [])
    assert seen(ledger, "a")["a"] == [("sea", "approved", {}, "ann"), ("bird", "rejected", {}, "ann")]


def test_clear_returns_a_tag_to_what_machines_say(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "bird", 0.8)])
    ledger.decide([decision("a", "bird", "reject"), decision("a", "own", "add")], "ann")
    ledger.decide([decision("a", "bird", "clear"), decision("a", "own", "clear")], "bob")
    assert seen(ledger, "a")["a"] == [("bird", "proposed", {"vote": 0.8}, "")]


def test_the_last_word_counts_and_both_stay_in_the_history(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "bird")], "ann")
    ledger.decide([decision("a", "bird", "reject")], "bob")
    assert seen(ledger, "a")["a"] == [("bird", "rejected", {}, "bob")]
    told = [(event.actor, event.action, event.actor_kind) for event in ledger.history("a")]
    assert told == [("ann", Action.APPROVE, "person"), ("bob", Action.REJECT, "person")]


def test_the_same_decision_of_the_same_person_is_written_once(ledger: TagLedger) -> None:
    first = ledger.decide([decision("a", "bird"), decision("a", "bird")], "ann")
    second = ledger.decide([decision("a", "bird")], "ann")
    assert first != second
    assert len(ledger.history("a")) == 1
    assert ledger.undo(second, "ann").cleared == 0  # a click of no effect can be undone, too
    assert len(seen(ledger, "a")["a"]) == 1


def test_a_clear_of_what_nobody_decided_is_not_written(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "bird")])
    ledger.decide([decision("a", "bird", "clear")], "ann")
    assert [event.action for event in ledger.history("a")] == [Action.PROPOSE]
    assert ledger.position() == 0


def test_decisions_of_one_call_are_taken_in_order(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "x"), decision("a", "x", "clear"), decision("a", "x", "reject")], "ann")
    assert [event.action.value for event in ledger.history("a")] == ["approve", "clear", "reject"]


def test_calls_with_one_run_id_are_one_import(ledger: TagLedger) -> None:
    run = ledger.decide([decision("a", "x")], "review.csv", kind="import")
    assert ledger.decide([decision("b", "x")], "review.csv", kind="import", run_id=run) == run
    ledger.undo(run, "ann")
    assert seen(ledger, "ab") == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("given", "by", "kind"),
    [
        (Decision("a", "x", Action.PROPOSE), "ann", "person"),
        (Decision("a", "x", Action.WITHDRAW), "ann", "person"),
        (Decision("a", "", Action.APPROVE), "ann", "person"),
        (decision("a", "x"), "", "person"),
        (decision("a", "x"), "r1", "run"),
    ],
)
def test_what_is_no_decision_is_refused(ledger: TagLedger, given: Decision, by: str, kind: str) -> None:
    with pytest.raises(ValueError):
        ledger.decide([given], by, kind=kind)  # pyright: ignore[reportArgumentType]
    assert ledger.runs() == []


def test_a_run_id_belongs_to_one_actor(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [])
    run = ledger.decide([], "ann")
    for by, run_id in [("ann", "r1"), ("bob", run)]:
        with pytest.raises(UsageError, match="already"):
            ledger.decide([decision("a", "x")], by, run_id=run_id)
    with pytest.raises(UsageError, match="already"):
        ledger.propose(run, MODEL, ["a"], ["vote"], [])


def test_decided_tags_come_with_the_score_that_stood_when_the_person_decided(ledger: TagLedger) -> None:
    ledger.propose(
        "r1", MODEL, ["a", "b"], ["vote"], [vote("a", "x", 0.8), vote("a", "y", 0.4), vote("b", "x", 0.3)]
    )
    ledger.propose("r1", "labels", ["a"], ["zero_shot"], [zero_shot("a", "x", 0.2)])
    ledger.decide([decision("a", "x"), decision("a", "y", "reject"), decision("a", "z", "add")], "ann")
    ledger.propose("r2", "newer", ["a"], ["vote"], [vote("a", "x", 0.1), vote("a", "z", 0.9)])
    ledger.decide([decision("b", "x")], "ann")
    ledger.decide([decision("b", "x", "reject")], "bob")
    assert list(ledger.decided("vote")) == [
        DecidedTag("a", "x", "vote", 0.8, MODEL, is_right=True),
        DecidedTag("a", "y", "vote", 0.4, MODEL, is_right=False),
        DecidedTag("b", "x", "vote", 0.3, MODEL, is_right=False),
    ]
    assert list(ledger.decided("zero_shot")) == [
        DecidedTag("a", "x", "zero_shot", 0.2, "labels", is_right=True)
    ]


def test_a_tag_whose_proposal_was_withdrawn_before_the_decision_has_no_score(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x", 0.8)])
    ledger.propose("r2", MODEL, ["a"], ["vote"], [])
    ledger.decide([decision("a", "x")], "ann")
    assert list(ledger.decided("vote")) == []


def test_the_position_moves_with_decisions_and_their_undo_alone(ledger: TagLedger) -> None:
    assert ledger.position() == 0
    click = ledger.decide([decision("a", "x")], "ann")
    first = ledger.position()
    assert first > 0
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "x")])
    ledger.undo("r1", "ann")
    assert ledger.position() == first
    ledger.undo(click, "ann")
    assert ledger.position() > first


def test_decisions_since_a_number_stream_in_order(ledger: TagLedger) -> None:
    ledger.decide([decision("a", "x")], "ann")
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "y")])
    before = ledger.position()
    ledger.decide([decision("a", "x", "reject"), decision("b", "y")], "bob")
    later = list(ledger.decisions_since(before))
    assert [(event.media_id, event.tag, event.actor) for event in later] == [
        ("a", "x", "bob"),
        ("b", "y", "bob"),
    ]
    assert len(list(ledger.decisions_since(0))) == 3


def test_approved_tags_stream_by_image(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [vote("a", "proposed")])
    ledger.decide([decision("b", "y"), decision("b", "x", "add"), decision("a", "z", "reject")], "ann")
    ledger.decide([decision("a", "x")], "ann")
    assert list(ledger.approved_media()) == [("a", ("x",)), ("b", ("x", "y"))]
    assert list(ledger.approved_media(["b", "c"])) == [("b", ("x", "y"))]


def test_more_images_than_one_query_takes_are_told_all(ledger: TagLedger) -> None:
    media = [f"m{number:05d}" for number in range(2500)]
    ledger.propose("r1", MODEL, media, ["vote"], [vote(each, "x") for each in media])
    ledger.decide([decision(each, "x") for each in media], "ann")
    assert all(len(tags) == 1 for tags in ledger.effective(media).values())
    assert [each for each, _ in ledger.approved_media(reversed(media))] == media
    assert ledger.undo("r1", "ann").withdrawn == 2500


def test_a_diff_tells_what_two_runs_proposed_for_images_both_looked_at(ledger: TagLedger) -> None:
    ledger.propose(
        "r1", MODEL, ["a", "b", "c"], ["vote"], [vote("a", "same"), vote("a", "gone", 0.4), vote("c", "x")]
    )
    ledger.propose("r2", MODEL, ["a", "b"], ["vote"], [vote("a", "same"), vote("b", "new", 0.6)])
    ledger.propose("r2", MODEL, ["a"], ["zero_shot"], [zero_shot("a", "only second looked")])
    expected = [ProposalChange("a", "gone", "vote", 0.4, None), ProposalChange("b", "new", "vote", None, 0.6)]
    assert ledger.diff("r1", "r2") == expected
    ledger.undo("r1", "ann")
    ledger.propose("r3", MODEL, ["a", "b"], ["vote"], [])
    assert ledger.diff("r1", "r2") == expected  # as of then, whatever came later
    assert ledger.diff("r2", "r2") == []


def test_runs_are_compared_where_both_looked_at_an_image_for_the_same_source(ledger: TagLedger) -> None:
    ledger.propose("r1", "m", ["a", "b", "c"], ["vote"], [])
    ledger.propose("r1", "m", ["c"], ["zero_shot"], [])
    ledger.propose("r2", "m", ["b", "c", "d"], ["vote"], [])
    ledger.propose("r2", "m", ["a"], ["zero_shot"], [])
    assert ledger.compared("r1", "r2") == ComparedRuns(2, ("vote",), ("zero_shot",), ("zero_shot",))
    with pytest.raises(UsageError):
        ledger.compared("r1", "r9")


def test_a_click_tells_how_many_images_it_was_about(ledger: TagLedger) -> None:
    ledger.propose("r1", "m", ["a", "b", "c"], ["vote"], [vote("a", "x")])
    click = ledger.decide(
        [decision("a", "x"), decision("a", "y", "add"), decision("b", "x", "reject")], "ann"
    )
    undo = ledger.undo(click, "ann").run_id
    assert {run.run_id: run.images for run in ledger.runs()} == {"r1": 3, click: 2, undo: 2}


def test_a_diff_with_a_click_or_an_unknown_run_is_wrong_use(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a"], ["vote"], [])
    click = ledger.decide([decision("a", "x")], "ann")
    with pytest.raises(UsageError, match="looked at no image"):
        ledger.diff("r1", click)
    with pytest.raises(UsageError, match="no run 'r9'"):
        ledger.diff("r9", "r1")


def test_runs_tell_who_when_and_how_much(ledger: TagLedger) -> None:
    ledger.propose("r1", MODEL, ["a", "b"], ["vote"], [vote("a", "x")])
    ledger.propose("r1", "labels", ["a", "b"], ["zero_shot"], [zero_shot("a", "x"), zero_shot("b", "x")])
    click = ledger.decide([decision("a", "x")], "ann")
    undo = ledger.undo("r1", "bob").run_id
    first, second, third = ledger.runs()
    assert (first.run_id, first.kind, first.model_ids, first.images) == ("r1", "run", (MODEL, "labels"), 2)
    assert (first.events, first.undone_by) == ({"propose": 3}, undo)
    assert (second.run_id, second.kind, second.actor, second.events) == (
        click,
        "person",
        "ann",
        {"approve": 1},
    )
    assert (third.run_id, third.kind, third.actor, third.undoes) == (undo, "undo", "bob", "r1")
    assert third.events == {"withdraw": 3}
