"""Writes what people decide, also through an imported sheet. Only the slots of people are touched here."""

from collections.abc import Sequence

from sqlalchemy import Connection

from autotag.domain.ledger_entries import ANY_TAG, IMPORT, PERSON, Action, Decision
from autotag.errors import TagsChangedError, UsageError
from autotag.review.ledger.append import ENDING, EventWriter
from autotag.review.ledger.history import media_changed_since
from autotag.review.ledger.rows import Slot, ensured_images, ensured_run, standing_of
from autotag.review.ledger.tables import BY_PEOPLE

DECISIONS = frozenset({Action.APPROVE, Action.REJECT, Action.ADD, Action.CLEAR})


def check_decisions(decisions: Sequence[Decision], by: str, kind: str) -> None:
    """Nothing, where they can be written.

    Raises:
        ValueError: see `TagLedger.decide`.
        UsageError: likewise.
    """
    if kind not in (PERSON, IMPORT):
        raise ValueError(f"{kind!r} decides nothing; a person or an import does")
    if not by:
        raise ValueError("a decision needs the name of who decided")
    for each in decisions:
        if each.action not in DECISIONS or not each.tag or not each.media_id:
            raise ValueError(f"{each}: no decision; approve, reject, add or clear a tag of an image")
        if each.tag == ANY_TAG and each.action in (Action.APPROVE, Action.ADD):
            raise UsageError(
                f"{ANY_TAG} is no tag to give an image: it marks one of which there is nothing to say; choose another word"
            )


def refuse_changed(connection: Connection, decisions: Sequence[Decision], position: int) -> None:
    """Nothing, where nobody said anything of the images since a position; inside the transaction that then decides.

    Raises:
        TagsChangedError: somebody did.
    """
    changed = {each.media_id for each in decisions} & set(media_changed_since(connection, position))
    if changed:
        raise TagsChangedError(
            f"tags of {len(changed)} of these images changed since they were looked at, and nothing was written; look again"
        )


def write_decisions(
    connection: Connection, decisions: Sequence[Decision], run: tuple[str, str, str], at_us: int
) -> None:
    """Write them, inside the caller's transaction. `run` is its id, kind and actor.

    Raises:
        UsageError: see `TagLedger.decide`.
    """
    run_id, kind, by = run
    number = ensured_run(connection, run_id, kind, by, at_us)
    numbers = ensured_images(connection, (each.media_id for each in decisions))
    stood = standing_of(connection, numbers.values(), [BY_PEOPLE])
    last = {slot: (Action(row.action), row.kind, row.actor) for slot, row in stood.items()}
    rests_on = {slot: row.evidence for slot, row in stood.items()}
    writer = EventWriter(connection, number, at_us)
    for each in decisions:
        slot, word = Slot(numbers[each.media_id], BY_PEOPLE, each.tag), (each.action, kind, by)
        is_known = last.get(slot) == word and each.evidence in ("", rests_on.get(slot))
        if is_known or (each.action is Action.CLEAR and slot not in last):
            continue
        writer.add(slot, each.action, proposal=(None, None, each.evidence))
        rests_on[slot] = each.evidence
        if each.action in ENDING:
            del last[slot]
        else:
            last[slot] = word
    writer.write()
