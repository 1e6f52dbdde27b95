"""What stands, in the form that pages, sheets, sidecars and fits ask for it."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, Select, func, select

from autotag.domain.ledger_entries import Action, EffectiveTag, Standing
from autotag.review.ledger.records import DecidedTag
from autotag.review.ledger.rows import chunks, images_of, undone_runs
from autotag.review.ledger.tables import BY_PEOPLE, IS_BY_PEOPLE, events, images, passes, runs, standing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RIGHT = (Action.APPROVE.value, Action.ADD.value)
_ORDER = {Standing.APPROVED: 0, Standing.PROPOSED: 1, Standing.REJECTED: 2}
ROWS_AT_ONCE = 1000

Proposed = tuple[dict[str, float], dict[str, str]]
"""Scores and evidence of a tag, by source."""


def moment(at_us: int) -> datetime:
    """A time of the ledger, in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def effective_tags(connection: Connection, media_ids: Iterable[str]) -> dict[str, list[EffectiveTag]]:
    """See `TagLedger.effective`."""
    wanted = list(dict.fromkeys(media_ids))
    numbers = images_of(connection, wanted)
    tags: dict[int, list[EffectiveTag]] = {}
    for some in chunks(numbers.values()):
        proposals, words = _proposals(connection, some), _words(connection, some)
        for image, tag in proposals.keys() | words.keys():
            effective = _effective(tag, proposals.get((image, tag), ({}, {})), words.get((image, tag)))
            tags.setdefault(image, []).append(effective)
    return {media: sorted(tags.get(numbers.get(media, 0), ()), key=_rank) for media in wanted}


def _proposals(connection: Connection, image_numbers: list[int]) -> dict[tuple[int, str], Proposed]:
    found: dict[tuple[int, str], Proposed] = {}
    query = (
        select(standing.c.image, standing.c.tag, standing.c.source, events.c.score, events.c.evidence)
        .join(events, events.c.number == standing.c.number)
        .where(standing.c.image.in_(image_numbers), standing.c.source != BY_PEOPLE)
        .order_by(standing.c.image, standing.c.source)
    )
    for image, tag, source, score, evidence in connection.execute(query).all():
        scores, reasons = found.setdefault((image, tag), ({}, {}))
        scores[source] = score
        reasons[source] = evidence
    return found


def _words(connection: Connection, image_numbers: list[int]) -> dict[tuple[int, str], Row]:
    query = (
        select(standing.c.image, standing.c.tag, events.c.action, events.c.at_us, runs.c.actor)
        .join(events, events.c.number == standing.c.number)
        .join(runs, runs.c.run == events.c.run)
        .where(standing.c.image.in_(image_numbers), standing.c.source == BY_PEOPLE)
    )
    return {(row.image, row.tag): row for row in connection.execute(query).all()}


def _effective(tag: str, proposed: Proposed, word: Row | None) -> EffectiveTag:
    scores, evidence = proposed
    if word is None:
        return EffectiveTag(tag, Standing.PROPOSED, scores, evidence, "", None)
    state = Standing.APPROVED if word.action in _RIGHT else Standing.REJECTED
    return EffectiveTag(tag, state, scores, evidence, word.actor, moment(word.at_us))


def _rank(tag: EffectiveTag) -> tuple[int, float, str]:
    return _ORDER[tag.standing], -max(tag.scores.values(), default=float("-inf")), tag.tag


def approved_tags(
    connection: Connection, media_ids: Iterable[str] | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """See `TagLedger.approved_media`."""
    query = (
        select(images.c.media_id, standing.c.tag)
        .select_from(standing)
        .join(events, events.c.number == standing.c.number)
        .join(images, images.c.image == standing.c.image)
        .where(standing.c.source == BY_PEOPLE, events.c.action.in_(_RIGHT))
        .order_by(images.c.media_id, standing.c.tag)
    )
    some = (
        [query]
        if media_ids is None
        else (query.where(images.c.media_id.in_(chunk)) for chunk in chunks(sorted(set(media_ids))))
    )
    for each in some:
        rows = connection.execute(each, execution_options={"yield_per": ROWS_AT_ONCE})
        for media, of_media in itertools.groupby(rows, key=lambda row: row.media_id):
            yield media, tuple(row.tag for row in of_media)


def evidence_of_approvals(connection: Connection, media_ids: Iterable[str]) -> dict[str, set[str]]:
    """See `TagLedger.approved_because`."""
    word, last = events.alias("word"), events.alias("last")
    undone = undone_runs(connection)
    query = (
        select(images.c.media_id, word.c.evidence, word.c.run)
        .select_from(standing)
        .join(last, last.c.number == standing.c.number)
        .join(
            word,
            (word.c.image == standing.c.image)
            & (word.c.tag == standing.c.tag)
            & (word.c.source == BY_PEOPLE),
        )
        .join(images, images.c.image == standing.c.image)
        .where(standing.c.source == BY_PEOPLE, last.c.action.in_(_RIGHT), word.c.action.in_(_RIGHT))
        .where(word.c.evidence != "", word.c.restores.is_(None))
    )
    found: dict[str, set[str]] = {}
    for some in chunks(sorted(set(media_ids))):
        for media, evidence, run in connection.execute(query.where(images.c.media_id.in_(some))):
            if run not in undone:
                found.setdefault(media, set()).add(evidence)
    return found


def decided_tags(connection: Connection, source: str) -> Iterator[DecidedTag]:
    """See `TagLedger.decided`."""
    rows = connection.execute(_judged(source), execution_options={"yield_per": ROWS_AT_ONCE})
    for media, tag, action, score, model_id in rows:
        yield DecidedTag(media, tag, source, score, model_id, action in _RIGHT)


def _judged(source: str) -> Select:
    """Standing words of people, each with the proposal that stood before it."""
    word, machine, earlier = events.alias("word"), events.alias("machine"), events.alias("earlier")
    before = (
        select(func.max(earlier.c.number))
        .where(
            earlier.c.image == word.c.image,
            earlier.c.tag == word.c.tag,
            earlier.c.source == source,
            earlier.c.number < word.c.number,
        )
        .scalar_subquery()
    )
    return (
        select(images.c.media_id, word.c.tag, word.c.action, machine.c.score, passes.c.model_id)
        .select_from(standing)
        .join(word, word.c.number == standing.c.number)
        .join(machine, machine.c.number == before)
        .join(passes, passes.c.pass_number == machine.c.pass_number)
        .join(images, images.c.image == word.c.image)
        .where(standing.c.source == BY_PEOPLE, machine.c.action == Action.PROPOSE.value)
        .order_by(images.c.media_id, word.c.tag)
    )


def last_decision(connection: Connection) -> int:
    """See `TagLedger.position`."""
    query = select(func.coalesce(func.max(events.c.number), 0)).where(IS_BY_PEOPLE)
    return int(connection.execute(query).scalar_one())
