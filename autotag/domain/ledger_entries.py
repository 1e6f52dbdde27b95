"""What the tag ledger holds: events about the tags of an image, and what they come to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PERSON = "person"
RUN = "run"
IMPORT = "import"

ANY_TAG = "(any tag)"
"""Rejected by a person, it says: looked at, nothing to say. Never approved, so it reaches no sheet and no sidecar."""


class Action(StrEnum):
    """What an event does to a tag of an image.

    Machines (a run) propose and withdraw their own proposals. People, also through an imported sheet, approve, reject,
    add and clear. A machine's event never changes what a person decided.
    """

    PROPOSE = "propose"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    REJECT = "reject"
    ADD = "add"
    CLEAR = "clear"


class Standing(StrEnum):
    """What the events of a tag of an image come to."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tag that a run proposes for an image.

    Attributes:
        media_id: of the image: hex SHA-256 of its bytes, so moved and copied files keep their tags.
        tag: the tag.
        source: "vote" or "zero_shot".
        score: of that source.
        evidence: where to look up why, like `vote/<index version>/<region index>`.
    """

    media_id: str
    tag: str
    source: str
    score: float
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of a tag of an image.

    Attributes:
        media_id: of the image.
        tag: the tag.
        action: approve, reject, add or clear.
        evidence: what it rests on, like `regions/0,3` for regions of the image that a person was shown; may be empty.
    """

    media_id: str
    tag: str
    action: Action
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One row of the ledger; rows are only ever added.

    Attributes:
        number: rising, no gaps promised.
        media_id: of the image.
        tag: the tag.
        action: what it does.
        actor_kind: "person", "run" or "import".
        actor: name of the person, id of the run, or file of the import.
        run_id: groups events that are undone together: a run's own id, or one a click, command or import.
        source: "vote" or "zero_shot" of a machine's events, else empty.
        model_id: of a machine's events, else empty.
        score: of a machine's events, else None.
        evidence: where to look up why.
        at: when, in UTC.
    """

    number: int
    media_id: str
    tag: str
    action: Action
    actor_kind: str
    actor: str
    run_id: str
    source: str
    model_id: str
    score: float | None
    evidence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EffectiveTag:
    """A tag of an image as the ledger stands now.

    Attributes:
        tag: the tag.
        standing: the last person's word, else proposed.
        scores: by source, of the proposals that stand; empty for a tag that only a person gave.
        evidence: by source, likewise.
        decided_by: the person or import that decided; empty while proposed.
        decided_at: when; None while proposed.
    """

    tag: str
    standing: Standing
    scores: dict[str, float]
    evidence: dict[str, str]
    decided_by: str
    decided_at: datetime | None
