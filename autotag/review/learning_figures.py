"""What people's decisions came to, and whether the machine's proposals became better with them.

Before and after are told apart tag by tag: a proposal is *before* if its run began when nobody had decided on that tag, on any image;
the voters and thresholds of a later run had decisions to learn from, so its proposals are *after*. A proposal that a later run
repeats unchanged stays where it was. Precision is the share of right ones among those that people judged, by their last word.
People judge what they are shown, doubtful ones first, and other folders may be easier: the two figures are no experiment,
which is why the numbers they rest on stand beside them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

import pyarrow as pa

from autotag.domain.ledger_entries import ANY_TAG, PERSON, Action, LedgerEvent, Standing
from autotag.review.ledger.tag_ledger import TagLedger

SOURCES = ("vote", "zero_shot")

PAUSE_S = 120.0
"""Whoever says nothing for longer than this does something else."""

JUDGEMENTS = frozenset({Action.APPROVE, Action.REJECT, Action.ADD})

FIGURES = pa.schema(
    [
        pa.field("tag", pa.string(), nullable=False),
        pa.field("approved", pa.int64(), nullable=False),
        pa.field("rejected", pa.int64(), nullable=False),
        pa.field("judged_before", pa.int64(), nullable=False),
        pa.field("right_before", pa.int64(), nullable=False),
        pa.field("precision_before", pa.float64()),
        pa.field("judged_after", pa.int64(), nullable=False),
        pa.field("right_after", pa.int64(), nullable=False),
        pa.field("precision_after", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class LearningFigures:
    """What a page shows of what was learned.

    Attributes:
        by_tag: columns of `FIGURES`, one row a tag that people decided on, the most decided first. `approved` and `rejected`
            images as they stand, added tags among the approved; a precision is null where nothing was judged.
        tags_decided: tags of images that stand decided.
        images_decided: images with at least one, or of which a person said that there is nothing to say.
        decisions: of people, in all, also those that were taken back or changed later; imports are none.
        active_minutes: time between decisions of one person, without pauses of more than `PAUSE_S`.
        decisions_per_minute: of that time; None where there is none. A decision for a group counts each of its tags.
    """

    by_tag: pa.Table
    tags_decided: int
    images_decided: int
    decisions: int
    active_minutes: float
    decisions_per_minute: float | None


@dataclass(slots=True)
class _OfTag:
    approved: int = 0
    rejected: int = 0
    judged_before: int = 0
    right_before: int = 0
    judged_after: int = 0
    right_after: int = 0

    def judge(self, *, is_after: bool, is_right: bool) -> None:
        if is_after:
            self.judged_after, self.right_after = self.judged_after + 1, self.right_after + is_right
        else:
            self.judged_before, self.right_before = self.judged_before + 1, self.right_before + is_right


def learning_figures(ledger: TagLedger) -> LearningFigures:
    """The figures as the ledger stands.

    Reads the history of each decided image, so a page should keep them until `position` moves.
    """
    known = _Decisions.of(ledger)
    # Read after the decisions, so that the runs of all of them are among these.
    runs = {run.run_id: (run.kind, run.at) for run in ledger.runs()}
    said = [event for event in known.of_people if runs[event.run_id][0] == PERSON]
    tags: defaultdict[str, _OfTag] = defaultdict(_OfTag)
    images = _count_standing(ledger, known.media, tags)
    for _, history in ledger.histories(known.media):
        for judged in _judged(event for event in history if event.number <= known.last):
            word, began = judged.word, runs[judged.proposal.run_id][1]
            is_after = began > known.first_spoken[word.tag]
            tags[word.tag].judge(is_after=is_after, is_right=word.action is not Action.REJECT)
    minutes, timed = _active(said)
    return LearningFigures(
        by_tag=_table(tags),
        tags_decided=sum(each.approved + each.rejected for each in tags.values()),
        images_decided=images,
        decisions=len(said),
        active_minutes=minutes,
        decisions_per_minute=timed / minutes if minutes else None,
    )


@dataclass(slots=True)
class _Decisions:
    """All decisions up to the event `last`; others may be made while the figures are added up."""

    last: int = 0
    media: dict[str, None] = field(default_factory=dict)
    first_spoken: dict[str, datetime] = field(default_factory=dict)
    of_people: list[LedgerEvent] = field(default_factory=list)

    @classmethod
    def of(cls, ledger: TagLedger) -> Self:
        known = cls()
        for event in ledger.decisions_since(0):
            known.last = event.number
            known.media.setdefault(event.media_id)
            if event.action in JUDGEMENTS:
                known.first_spoken.setdefault(event.tag, event.at)
            if event.actor_kind == PERSON:
                known.of_people.append(event)
        return known


@dataclass(frozen=True, slots=True)
class _Judged:
    """A person's last word on a tag of an image, and a proposal that stood when it was said."""

    word: LedgerEvent
    proposal: LedgerEvent


def _judged(history: Iterable[LedgerEvent]) -> Iterator[_Judged]:
    """What `TagLedger.decided` tells of one image, with the events."""
    by_tag: defaultdict[str, list[LedgerEvent]] = defaultdict(list)
    for event in history:
        by_tag[event.tag].append(event)
    for events in by_tag.values():
        word = next((event for event in reversed(events) if not event.source), None)
        if word is None or word.action not in JUDGEMENTS or word.tag == ANY_TAG:
            continue
        for source in SOURCES:
            earlier = [event for event in events if event.source == source and event.number < word.number]
            if earlier and earlier[-1].action is Action.PROPOSE:
                yield _Judged(word, earlier[-1])


def _count_standing(ledger: TagLedger, media: Iterable[str], tags: defaultdict[str, _OfTag]) -> int:
    """Add up what stands decided; how many images it is on."""
    images = 0
    for found in ledger.effective(media).values():
        decided = [each for each in found if each.standing is not Standing.PROPOSED]
        images += bool(decided)
        for each in decided:
            if each.tag == ANY_TAG:  # a word about an image, not a tag
                continue
            if each.standing is Standing.APPROVED:
                tags[each.tag].approved += 1
            else:
                tags[each.tag].rejected += 1
    return images


def _active(said: Iterable[LedgerEvent]) -> tuple[float, int]:
    """Minutes between decisions without pauses, and the decisions made in them: what opens a sitting took unknown time."""
    last: dict[str, tuple[datetime, bool]] = {}
    active, timed = timedelta(), 0
    for event in said:
        before, is_timed = last.get(event.actor, (None, False))
        if before != event.at:
            gap = event.at - before if before else None
            is_timed = gap is not None and gap.total_seconds() <= PAUSE_S
            active += gap if gap is not None and is_timed else timedelta()
        timed += is_timed
        last[event.actor] = event.at, is_timed
    return active.total_seconds() / 60, timed


def _table(tags: dict[str, _OfTag]) -> pa.Table:
    order = sorted(tags.items(), key=lambda each: (-each[1].approved - each[1].rejected, each[0]))
    rows = [
        {
            "tag": tag,
            **{name: getattr(each, name) for name in each.__dataclass_fields__},
            "precision_before": each.right_before / each.judged_before if each.judged_before else None,
            "precision_after": each.right_after / each.judged_after if each.judged_after else None,
        }
        for tag, each in order
    ]
    return pa.Table.from_pylist(rows, schema=FIGURES)
