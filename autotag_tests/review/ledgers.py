"""Small ledgers for the tests, and short words for what goes into them."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, select

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.review.ledger.replay import fold
from autotag.review.ledger.rows import Slot
from autotag.review.ledger.tables import events, standing
from autotag.review.ledger.tag_ledger import TagLedger


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def vote(media: str, tag: str, score: float = 0.5, evidence: str = "") -> Proposal:
    return Proposal(media, tag, "vote", score, evidence)


def zero_shot(media: str, tag: str, score: float = 0.5) -> Proposal:
    return Proposal(media, tag, "zero_shot", score)


def decision(media: str, tag: str, action: str = "approve") -> Decision:
    return Decision(media, tag, Action(action))


def seen(
    ledger: TagLedger, media_ids: Iterable[str]
) -> dict[str, list[tuple[str, str, dict[str, float], str]]]:
    """What stands, without times and evidence."""
    return {
        media: [(tag.tag, tag.standing.value, tag.scores, tag.decided_by) for tag in tags]
        for media, tags in ledger.effective(media_ids).items()
    }


def kept(connection: Connection) -> dict[Slot, int]:
    """What the ledger keeps beside its events."""
    return {Slot(row.image, row.source, row.tag): row.number for row in connection.execute(select(standing))}


def replayed(connection: Connection) -> dict[Slot, int]:
    """What its events come to."""
    return fold(connection.execute(select(events).order_by(events.c.number)))
