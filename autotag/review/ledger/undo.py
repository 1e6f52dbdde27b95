"""Takes a run back, by events that are added.

A machine's pass says all that its source proposes for an image, so the last pass that counts holds. Of people the last event
of a run that counts holds. Events of undos only keep the ledger's plain replay in step with that.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, Row, select

from autotag.domain.ledger_entries import Action
from autotag.errors import UsageError
from autotag.review.ledger.append import EventWriter
from autotag.review.ledger.records import UNDO, UndoCounts
from autotag.review.ledger.replay import View, events_of, fold
from autotag.review.ledger.rows import Slot, added_run, chunks, run_named, standing_of, undone_runs
from autotag.review.ledger.tables import BY_PEOPLE, events, looks, passes, runs


def write_undo(connection: Connection, run_id: str, undo: tuple[str, str], at_us: int) -> UndoCounts:
    """Write it, inside the caller's transaction. `undo` is its own run id, and who undoes.

    Raises:
        UsageError: see `TagLedger.undo`.
    """
    undo_id, by = undo
    target = run_named(connection, run_id)
    if earlier := undone_runs(connection).get(target.run):
        done = connection.execute(select(runs).where(runs.c.run == earlier)).one()
        raise UsageError(
            f"run {run_id} was undone already, by {done.actor}; to bring it back, undo {done.run_id}"
        )
    number = added_run(connection, run_id=undo_id, kind=UNDO, actor=by, at_us=at_us, undoes=target.run)
    undone = undone_runs(connection)
    root = _root(connection, target)
    writer = EventWriter(connection, number, at_us)
    counts = _undo_passes(connection, root, undone, writer) + _undo_decisions(
        connection, root, undone, writer
    )
    writer.write()
    return UndoCounts(undo_id, *(counts[name] for name in ("proposed", "withdrawn", "decided", "cleared")))


def _root(connection: Connection, run: Row) -> int:
    """The run that a chain of undos is about."""
    while run.undoes is not None:
        run = connection.execute(select(runs).where(runs.c.run == run.undoes)).one()
    return int(run.run)


def _undo_passes(
    connection: Connection, run: int, undone: Mapping[int, int], writer: EventWriter
) -> Counter[str]:
    counts: Counter[str] = Counter()
    looked = select(looks.c.image, passes.c.source).join(passes).where(passes.c.run == run)
    views = {(image, source) for image, source in connection.execute(looked)}
    sources = sorted({source for _, source in views})
    for some in chunks(sorted({image for image, _ in views})):
        through = _last_passes(connection, some, undone)
        for rows in events_of(connection, some, events.c.source.in_(sources)):
            by_number = {row.number: row for row in rows}
            target = {
                slot: n for slot, n in fold(rows, through).items() if (slot.image, slot.source) in views
            }
            stood = standing_of(connection, some, sources)
            now = {slot: row.number for slot, row in stood.items() if (slot.image, slot.source) in views}
            for slot, origin in _changes(now, target):
                if origin is None:
                    writer.add(slot, Action.WITHDRAW)
                    counts["withdrawn"] += 1
                    continue
                row = by_number[origin]
                proposal = (row.pass_number, row.score, row.evidence)
                writer.add(slot, Action.PROPOSE, proposal=proposal, restores=origin)
                counts["proposed"] += 1
    return counts


def _last_passes(
    connection: Connection, image_numbers: Iterable[int], undone: Mapping[int, int]
) -> dict[View, int]:
    """The last event that counts for each view: that of the last pass of a run that was not undone."""
    query = (
        select(looks.c.image, passes.c.source, passes.c.run, passes.c.through)
        .join(passes)
        .where(looks.c.image.in_(list(image_numbers)))
    )
    through: dict[View, int] = {}
    for image, source, run, number in connection.execute(query):
        if run not in undone:
            through[image, source] = max(number, through.get((image, source), 0))
    return through


def _undo_decisions(
    connection: Connection, run: int, undone: Mapping[int, int], writer: EventWriter
) -> Counter[str]:
    counts: Counter[str] = Counter()
    by_people = events.c.source == BY_PEOPLE
    query = select(events.c.image, events.c.tag).where(events.c.run == run, by_people)
    slots = {Slot(image, BY_PEOPLE, tag) for image, tag in connection.execute(query)}
    for some in chunks(sorted({slot.image for slot in slots})):
        for rows in events_of(connection, some, by_people):
            by_number = {row.number: row for row in rows}
            counting = (row for row in rows if row.kind != UNDO and row.run not in undone)
            target = {slot: number for slot, number in fold(counting).items() if slot in slots}
            stood = standing_of(connection, some, [BY_PEOPLE])
            now = {slot: row.number for slot, row in stood.items() if slot in slots}
            for slot, origin in _changes(now, target):
                action = Action.CLEAR if origin is None else Action(by_number[origin].action)
                writer.add(slot, action, restores=origin)
                counts["cleared" if origin is None else "decided"] += 1
    return counts


def _changes(now: Mapping[Slot, int], target: Mapping[Slot, int]) -> Iterator[tuple[Slot, int | None]]:
    """Slots where another event has to stand, or none, in a fixed order."""
    for slot in sorted(now.keys() | target.keys()):
        if now.get(slot) != target.get(slot):
            yield slot, target.get(slot)
