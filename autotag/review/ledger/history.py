"""What happened: events of an image, decisions one after the other, runs, and how two of them differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import Column, Connection, Row, Select, func, select

from autotag.domain.ledger_entries import PERSON, Action, LedgerEvent
from autotag.errors import UsageError
from autotag.review.ledger.records import UNDO, ComparedRuns, ProposalChange, RunRecord
from autotag.review.ledger.replay import View, events_of, fold
from autotag.review.ledger.rows import Slot, chunks, run_named, undone_runs
from autotag.review.ledger.tables import IS_BY_PEOPLE, events, images, looks, passes, runs
from autotag.review.ledger.views import ROWS_AT_ONCE, moment


def events_of_media(connection: Connection, media_id: str) -> list[LedgerEvent]:
    """See `TagLedger.history`."""
    return [_event(row) for row in connection.execute(_told().where(images.c.media_id == media_id))]


def events_of_many(
    connection: Connection, media_ids: Iterable[str]
) -> Iterator[tuple[str, list[LedgerEvent]]]:
    """See `TagLedger.histories`."""
    for some in chunks(dict.fromkeys(media_ids)):
        told: dict[str, list[LedgerEvent]] = {}
        for row in connection.execute(_told().where(images.c.media_id.in_(some))):
            told.setdefault(row.media_id, []).append(_event(row))
        yield from told.items()


def later_decisions(connection: Connection, number: int) -> Iterator[LedgerEvent]:
    """See `TagLedger.decisions_since`."""
    query = _told().where(IS_BY_PEOPLE, events.c.number > number)
    for row in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
        yield _event(row)


def last_event(connection: Connection) -> int:
    """See `TagLedger.latest`."""
    return connection.execute(select(func.max(events.c.number))).scalar() or 0


def media_changed_since(connection: Connection, number: int) -> list[str]:
    """See `TagLedger.changed_since`."""
    query = (
        select(images.c.media_id)
        .join(events, images.c.image == events.c.image)
        .where(events.c.number > number)
        .distinct()
        .order_by(images.c.media_id)
    )
    return list(connection.execute(query).scalars())


def _told() -> Select:
    return (
        select(events, images.c.media_id, runs.c.run_id, runs.c.kind, runs.c.actor, passes.c.model_id)
        .join(images, images.c.image == events.c.image)
        .join(runs, runs.c.run == events.c.run)
        .outerjoin(passes, passes.c.pass_number == events.c.pass_number)
        .order_by(events.c.number)
    )


def _event(row: Row) -> LedgerEvent:
    return LedgerEvent(
        number=row.number,
        media_id=row.media_id,
        tag=row.tag,
        action=Action(row.action),
        actor_kind=PERSON if row.kind == UNDO else row.kind,
        actor=row.actor,
        run_id=row.run_id,
        source=row.source,
        model_id=row.model_id or "",
        score=row.score,
        evidence=row.evidence,
        at=moment(row.at_us),
    )


def all_runs(connection: Connection) -> list[RunRecord]:
    """See `TagLedger.runs`."""
    rows = connection.execute(select(runs).order_by(runs.c.run)).all()
    names = {row.run: row.run_id for row in rows}
    undone = undone_runs(connection)
    models, sources = _of_passes(connection, passes.c.model_id), _of_passes(connection, passes.c.source)
    images_of, counted = _touched(connection) | _looked(connection), _counted(connection)
    return [
        RunRecord(
            run_id=row.run_id,
            kind=row.kind,
            actor=row.actor,
            model_ids=tuple(sorted(models[row.run])),
            sources=tuple(sorted(sources[row.run])),
            at=moment(row.at_us),
            undoes=names.get(row.undoes, ""),
            undone_by=names.get(undone.get(row.run, 0), ""),
            images=images_of.get(row.run, 0),
            events=counted[row.run],
        )
        for row in rows
    ]


def _of_passes(connection: Connection, column: Column) -> dict[int, set[str]]:
    """What a run's passes say in a column."""
    found: dict[int, set[str]] = defaultdict(set)
    for run, value in connection.execute(select(passes.c.run, column).distinct()):
        found[run].add(value)
    return found


def _looked(connection: Connection) -> dict[int, int]:
    query = select(passes.c.run, func.count(looks.c.image.distinct())).join(looks).group_by(passes.c.run)
    return {run: count for run, count in connection.execute(query)}


def _touched(connection: Connection) -> dict[int, int]:
    query = select(events.c.run, func.count(events.c.image.distinct())).group_by(events.c.run)
    return {run: count for run, count in connection.execute(query)}


def _counted(connection: Connection) -> dict[int, dict[str, int]]:
    counted: dict[int, dict[str, int]] = defaultdict(dict)
    query = select(events.c.run, events.c.action, func.count()).group_by(events.c.run, events.c.action)
    for run, action, count in connection.execute(query):
        counted[run][action] = count
    return counted


def proposal_changes(connection: Connection, run_a: str, run_b: str) -> list[ProposalChange]:
    """See `TagLedger.diff`."""
    first, second = _views(connection, run_a), _views(connection, run_b)
    shared = first.keys() & second.keys()
    media = _media(connection, run_a)
    changes = []
    for rows in events_of(connection, sorted({image for image, _ in shared})):
        score = {row.number: row.score for row in rows}
        a = fold(rows, {view: first[view] for view in shared})
        b = fold(rows, {view: second[view] for view in shared})
        for slot in a.keys() | b.keys():
            scores = _score(score, a, slot), _score(score, b, slot)
            if scores[0] != scores[1]:
                changes.append(ProposalChange(media[slot.image], slot.tag, slot.source, *scores))
    return sorted(changes, key=lambda change: change[:3])


def compared_runs(connection: Connection, run_a: str, run_b: str) -> ComparedRuns:
    """See `TagLedger.compared`."""
    first, second = _views(connection, run_a), _views(connection, run_b)
    shared = first.keys() & second.keys()
    sources = {source for _, source in shared}
    only_a, only_b = ({source for _, source in views} - sources for views in (first, second))
    return ComparedRuns(
        len({image for image, _ in shared}),
        tuple(sorted(sources)),
        tuple(sorted(only_a)),
        tuple(sorted(only_b)),
    )


def _score(score: dict[int, float | None], state: dict[Slot, int], slot: Slot) -> float | None:
    return score[state[slot]] if slot in state else None


def _views(connection: Connection, run_id: str) -> dict[View, int]:
    """What a run looked at, each with the last event of its last pass over it."""
    query = (
        select(looks.c.image, passes.c.source, func.max(passes.c.through))
        .join(passes)
        .where(passes.c.run == run_named(connection, run_id).run)
        .group_by(looks.c.image, passes.c.source)
    )
    if views := {(image, source): through for image, source, through in connection.execute(query)}:
        return views
    raise UsageError(f"run {run_id} looked at no image: only runs of the machine can be compared")


def _media(connection: Connection, run_id: str) -> dict[int, str]:
    query = (
        select(images.c.image, images.c.media_id)
        .distinct()
        .join(looks, looks.c.image == images.c.image)
        .join(passes)
        .where(passes.c.run == run_named(connection, run_id).run)
    )
    return {image: media for image, media in connection.execute(query)}
