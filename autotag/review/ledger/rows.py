"""Rows of the ledger by their names: images, runs, and what stands; all inside a caller's transaction."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, bindparam, delete, func, insert, select

from autotag.errors import UsageError
from autotag.review.ledger.tables import events, images, passes, runs, standing

CHUNK = 1000
"""Values in one query; databases take no lists of any length."""

_DELETE = delete(standing).where(
    standing.c.image == bindparam("the_image"),
    standing.c.source == bindparam("the_source"),
    standing.c.tag == bindparam("the_tag"),
)


class Slot(NamedTuple):
    """What has one state: a tag of an image, as one source of proposals, or people (an empty source), see it."""

    image: int
    source: str
    tag: str


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Lists of at most `CHUNK` values."""
    rest = iter(values)
    while chunk := list(itertools.islice(rest, CHUNK)):
        yield chunk


def next_number(connection: Connection, column: Column[Any]) -> int:
    """One more than the highest; only a writer may ask, for it is alone."""
    return int(connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()) + 1


def images_of(connection: Connection, media_ids: Iterable[str]) -> dict[str, int]:
    """Numbers of the images that the ledger knows."""
    found: dict[str, int] = {}
    for chunk in chunks(media_ids):
        rows = connection.execute(
            select(images.c.media_id, images.c.image).where(images.c.media_id.in_(chunk))
        )
        found.update((media, image) for media, image in rows)
    return found


def ensured_images(connection: Connection, media_ids: Iterable[str]) -> dict[str, int]:
    """Numbers of images; those that the ledger did not know are added, in their order."""
    wanted = list(dict.fromkeys(media_ids))
    found = images_of(connection, wanted)
    if new := [media for media in wanted if media not in found]:
        first = next_number(connection, images.c.image)
        added = dict(zip(new, itertools.count(first), strict=False))
        connection.execute(
            insert(images), [{"image": image, "media_id": media} for media, image in added.items()]
        )
        found |= added
    return found


def run_named(connection: Connection, run_id: str) -> Row:
    """A run's row.

    Raises:
        UsageError: there is none.
    """
    row = connection.execute(select(runs).where(runs.c.run_id == run_id)).one_or_none()
    if row is None:
        raise UsageError(f"the ledger has no run {run_id!r}; `autotag ledger runs` lists them")
    return row


def added_run(connection: Connection, **facts: Any) -> int:
    """Add a run's row; its number."""
    number = next_number(connection, runs.c.run)
    connection.execute(insert(runs).values(run=number, **facts))
    return number


def ensured_run(connection: Connection, run_id: str, kind: str, actor: str, at_us: int) -> int:
    """A run's number; a run the ledger does not know is added.

    Raises:
        UsageError: it is of another kind or actor, or was undone.
    """
    row = connection.execute(select(runs).where(runs.c.run_id == run_id)).one_or_none()
    if row is None:
        return added_run(connection, run_id=run_id, kind=kind, actor=actor, at_us=at_us)
    if (row.kind, row.actor) != (kind, actor):
        raise UsageError(
            f"the ledger has a run {run_id!r} already, of {row.kind} {row.actor}; choose another id"
        )
    if row.run in undone_runs(connection):
        raise UsageError(
            f"run {run_id} was undone, so nothing can be added to it; start a new run, or undo the undo"
        )
    return int(row.run)


def undone_runs(connection: Connection) -> dict[int, int]:
    """Runs that do not count, each with the undo that holds. An undo that was itself undone does not count."""
    undone: dict[int, int] = {}
    of_undos = select(runs.c.run, runs.c.undoes).where(runs.c.undoes.is_not(None)).order_by(runs.c.run.desc())
    # An undo is younger than what it undoes: from the youngest on, it is known of each whether it counts.
    for undo, target in connection.execute(of_undos):
        if undo not in undone:
            undone[target] = undo
    return undone


def standing_of(
    connection: Connection, image_numbers: Iterable[int], sources: Iterable[str]
) -> dict[Slot, Row]:
    """What stands for images and sources: the events, with `model_id` and, of their run, `kind` and `actor`."""
    found: dict[Slot, Row] = {}
    query = (
        select(events, passes.c.model_id, runs.c.kind, runs.c.actor)
        .select_from(standing)
        .join(events, events.c.number == standing.c.number)
        .join(runs, runs.c.run == events.c.run)
        .outerjoin(passes, passes.c.pass_number == events.c.pass_number)
        .where(standing.c.source.in_(list(sources)))
    )
    for chunk in chunks(image_numbers):
        for row in connection.execute(query.where(standing.c.image.in_(chunk))):
            found[Slot(row.image, row.source, row.tag)] = row
    return found


def changed_standing(connection: Connection, changes: Mapping[Slot, int | None]) -> None:
    """Write what stands now: the number of an event by slot, None for nothing."""
    if changes:
        keys = [{"the_image": slot.image, "the_source": slot.source, "the_tag": slot.tag} for slot in changes]
        connection.execute(_DELETE, keys)
    if rows := [slot._asdict() | {"number": number} for slot, number in changes.items() if number]:
        connection.execute(insert(standing), rows)
