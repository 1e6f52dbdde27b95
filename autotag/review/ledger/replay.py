"""What a series of events comes to: the one rule, that everything which is kept beside the events is held against."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import ColumnElement, Connection, Row, select

from autotag.domain.ledger_entries import Action
from autotag.review.ledger.append import ENDING
from autotag.review.ledger.rows import Slot, chunks
from autotag.review.ledger.tables import events, runs

View = tuple[int, str]
"""An image's number, and a source."""


def fold(rows: Iterable[Row], through: Mapping[View, int] | None = None) -> dict[Slot, int]:
    """Number of the event that stands in each slot after all of these.

    Args:
        rows: events by rising number.
        through: by image and source, the last event that counts; views that are not in it have none. Without it, all do.
    """
    state: dict[Slot, int] = {}
    for row in rows:
        if through is not None and row.number > through.get((row.image, row.source), 0):
            continue
        slot = Slot(row.image, row.source, row.tag)
        if Action(row.action) in ENDING:
            state.pop(slot, None)
        else:
            state[slot] = row.restores or row.number
    return state


def events_of(
    connection: Connection, image_numbers: Iterable[int], *conditions: ColumnElement[bool]
) -> Iterator[list[Row]]:
    """Events of images by rising number, with the `kind` of their run; a list for some images at a time."""
    query = select(events, runs.c.kind).join(runs, runs.c.run == events.c.run).order_by(events.c.number)
    for chunk in chunks(image_numbers):
        yield list(connection.execute(query.where(events.c.image.in_(chunk), *conditions)))
