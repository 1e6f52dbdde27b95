"""The ledger against a model of it that knows no events: what a machine saw last, and what people said last."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autotag.domain.ledger_entries import Decision, Proposal
from autotag.errors import UsageError
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import decision, kept, replayed, seen, url_of
from autotag_tests.review.postgres_server import PostgresServer

MEDIA, TAGS, SOURCES, PEOPLE = "abc", "xyz", ("vote", "zero_shot"), ("ann", "bob")

looked_at = st.sets(st.sampled_from(MEDIA), min_size=1)
sources = st.sets(st.sampled_from(SOURCES), min_size=1)
scores = st.dictionaries(
    st.tuples(st.sampled_from(MEDIA), st.sampled_from(SOURCES), st.sampled_from(TAGS)),
    st.sampled_from([0.25, 0.5]),
)
words = st.lists(
    st.builds(
        decision,
        st.sampled_from(MEDIA),
        st.sampled_from(TAGS),
        st.sampled_from(["approve", "reject", "add", "clear"]),
    ),
    max_size=4,
)
Scores = dict[tuple[str, str, str], float]


@dataclass
class Pass:
    run: str
    media: set[str]
    sources: set[str]
    scores: Scores

    def write(self, ledger: TagLedger) -> None:
        proposals = [
            Proposal(media, tag, source, score) for (media, source, tag), score in self.scores.items()
        ]
        ledger.propose(self.run, "m", sorted(self.media), sorted(self.sources), proposals)


@dataclass
class Word:
    run: str
    by: str
    said: Decision


@dataclass
class Told:
    """All that ever happened, and what it comes to."""

    done: list[Pass | Word] = field(default_factory=list)
    undos: list[tuple[str, str]] = field(default_factory=list)

    def undone(self) -> set[str]:
        undone: set[str] = set()
        for undo, target in reversed(self.undos):
            if undo not in undone:
                undone.add(target)
        return undone

    def words(self) -> dict[tuple[str, str], Word]:
        last: dict[tuple[str, str], Word] = {}
        for each in self.done:
            if isinstance(each, Word) and each.run not in self.undone():
                last[each.said.media_id, each.said.tag] = each
        return {slot: word for slot, word in last.items() if word.said.action.value != "clear"}

    def proposals(self) -> Scores:
        last: dict[tuple[str, str], Pass] = {}
        for each in self.done:
            if isinstance(each, Pass) and each.run not in self.undone():
                last |= {(media, source): each for media in each.media for source in each.sources}
        return {
            (media, source, tag): score
            for (media, source), each in last.items()
            for (of, by, tag), score in each.scores.items()
            if (of, by) == (media, source)
        }

    def seen(self) -> dict[str, set[tuple[str, str, tuple[tuple[str, float], ...], str]]]:
        expected: dict[str, set[tuple[str, str, tuple[tuple[str, float], ...], str]]] = {}
        words, proposals = self.words(), self.proposals()
        for media in MEDIA:
            expected[media] = set()
            for tag in TAGS:
                found = tuple(
                    (source, proposals[media, source, tag])
                    for source in SOURCES
                    if (media, source, tag) in proposals
                )
                if word := words.get((media, tag)):
                    state = "rejected" if word.said.action.value == "reject" else "approved"
                    expected[media].add((tag, state, found, word.by))
                elif found:
                    expected[media].add((tag, "proposed", found, ""))
        return expected


def as_set(ledger: TagLedger) -> dict[str, set[tuple[str, str, tuple[tuple[str, float], ...], str]]]:
    return {
        media: {(tag, state, tuple(found.items()), by) for tag, state, found, by in tags}
        for media, tags in seen(ledger, MEDIA).items()
    }


def within(media: set[str], of: set[str], found: Scores) -> Scores:
    return {key: score for key, score in found.items() if key[0] in media and key[1] in of}


class LedgerRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.url = self.new_url()
        self.ledger = TagLedger.open(self.url)
        self.database = LedgerDatabase.open(self.url, 10.0, must_exist=True)
        self.told = Told()
        self.runs: list[str] = []
        self.events = 0

    def new_url(self) -> str:
        return url_of(Path(self.directory.name) / "ledger.sqlite")

    def teardown(self) -> None:
        self.ledger.close()
        self.database.close()
        self.directory.cleanup()

    @rule(media=looked_at, of=sources, found=scores)
    def a_machine_looks(self, media: set[str], of: set[str], found: Scores) -> None:
        self.look(f"r{len(self.runs)}", media, of, found)

    @precondition(lambda self: self.counting())
    @rule(data=st.data(), media=looked_at, of=sources, found=scores)
    def a_run_looks_again(self, data: st.DataObject, media: set[str], of: set[str], found: Scores) -> None:
        self.look(data.draw(st.sampled_from(self.counting())), media, of, found)

    def counting(self) -> list[str]:
        return [run for run in self.runs if run.startswith("r") and run not in self.told.undone()]

    def look(self, run: str, media: set[str], of: set[str], found: Scores) -> None:
        made = Pass(run, media, of, within(media, of, found))
        made.write(self.ledger)
        self.told.done.append(made)
        self.runs = list(dict.fromkeys([*self.runs, run]))

    @rule(said=words, by=st.sampled_from(PEOPLE))
    def a_person_decides(self, said: list[Decision], by: str) -> None:
        run = self.ledger.decide(said, by)
        for each in said:
            slot, standing = (each.media_id, each.tag), self.told.words()
            again = slot in standing and (standing[slot].by, standing[slot].said) == (by, each)
            if not again and (slot in standing or each.action.value != "clear"):
                self.told.done.append(Word(run, by, each))
        self.runs.append(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def someone_undoes(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(self.runs))
        if target in self.told.undone():
            with pytest.raises(UsageError):
                self.ledger.undo(target, "carol")
            return
        undo = self.ledger.undo(target, "carol").run_id
        self.told.undos.append((undo, target))
        self.runs.append(undo)

    @invariant()
    def what_stands_is_what_was_told(self) -> None:
        assert as_set(self.ledger) == self.told.seen()

    @invariant()
    def what_is_kept_is_a_replay_of_the_events(self) -> None:
        with self.database.reading() as connection:
            assert kept(connection) == replayed(connection)

    @invariant()
    def events_are_only_added(self) -> None:
        events = sum(sum(run.events.values()) for run in self.ledger.runs())
        assert events >= self.events
        self.events = events


TestLedgerRules = LedgerRules.TestCase
TestLedgerRules.settings = settings(max_examples=8, stateful_step_count=15)


class LongLedgerRules(LedgerRules):
    pass


TestLongLedgerRules = pytest.mark.slow(LongLedgerRules.TestCase)
TestLongLedgerRules.settings = settings(max_examples=100, stateful_step_count=30)


class PostgresRules(LedgerRules):
    server: ClassVar[PostgresServer]

    def new_url(self) -> str:
        return self.server.url(self.server.new_database())


@pytest.fixture(scope="module")
def rules_in_postgres(postgres: PostgresServer) -> None:
    PostgresRules.server = postgres


TestPostgresRules = pytest.mark.slow(pytest.mark.usefixtures("rules_in_postgres")(PostgresRules.TestCase))
TestPostgresRules.settings = settings(max_examples=20, stateful_step_count=15)


@settings(max_examples=20)
@given(
    steps=st.lists(st.one_of(st.tuples(looked_at, sources, scores), words), min_size=1, max_size=6),
    data=st.data(),
)
def test_an_undone_run_might_never_have_happened(steps: list, data: st.DataObject) -> None:
    """Every step is a run, and every person decides once: of one who repeats a word only the first is written."""
    unwanted = data.draw(st.integers(0, len(steps) - 1))
    with tempfile.TemporaryDirectory() as directory:
        with_it = TagLedger.open(url_of(Path(directory) / "with.sqlite"))
        without = TagLedger.open(url_of(Path(directory) / "without.sqlite"))
        with with_it, without:
            for number, step in enumerate(steps):
                write_step(with_it, number, step)
                if number != unwanted:
                    write_step(without, number, step)
            undo = with_it.undo(str(unwanted), "carol")
            assert seen(with_it, MEDIA) == seen(without, MEDIA)
            before = TagLedger.open(url_of(Path(directory) / "all.sqlite"))
            with before:
                for number, step in enumerate(steps):
                    write_step(before, number, step)
                with_it.undo(undo.run_id, "carol")
                assert seen(with_it, MEDIA) == seen(before, MEDIA)


def write_step(
    ledger: TagLedger, number: int, step: list[Decision] | tuple[set[str], set[str], Scores]
) -> None:
    if isinstance(step, list):
        ledger.decide(step, f"person {number}", run_id=str(number))
    else:
        media, of, found = step
        Pass(str(number), media, of, within(media, of, found)).write(ledger)


@settings(max_examples=40)
@given(said=words, passes=st.lists(st.tuples(looked_at, sources, scores), max_size=4))
def test_a_machine_never_overwrites_a_person(
    said: list[Decision], passes: list[tuple[set[str], set[str], Scores]]
) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        TagLedger.open(url_of(Path(directory) / "l.sqlite")) as ledger,
    ):
        ledger.decide(said, "ann")
        before = decided(ledger)
        for number, (media, of, found) in enumerate(passes):
            Pass(f"r{number}", media, of, within(media, of, found)).write(ledger)
            assert decided(ledger) == before


def decided(ledger: TagLedger) -> list[tuple[str, str, str, str, object]]:
    return sorted(
        (media, tag.tag, tag.standing.value, tag.decided_by, tag.decided_at)
        for media, tags in ledger.effective(MEDIA).items()
        for tag in tags
        if tag.decided_by
    )
