"""What the ledger answers with: counts, runs, decided tags, differences."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

UNDO = "undo"
"""Kind of a run that took another one back, beside "run", "person" and "import"."""


@dataclass(frozen=True, slots=True)
class ProposeCounts:
    """What a run's proposals came to.

    Attributes:
        proposed: new, or with another score, model or evidence than before.
        withdrawn: stood before, and are proposed no more.
        unchanged: stood before exactly so.
    """

    proposed: int
    withdrawn: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class UndoCounts:
    """What it took to make the state as if a run had not happened.

    Attributes:
        run_id: of the undo itself; undoing that brings the run back.
        proposed: proposals that stand again, or as they stood before.
        withdrawn: proposals that stand no more.
        decided: tags whose earlier decision stands again.
        cleared: tags that nobody has decided now.
    """

    run_id: str
    proposed: int
    withdrawn: int
    decided: int
    cleared: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A group of events that is undone together.

    Attributes:
        run_id: its name.
        kind: "run", "person", "import" or "undo".
        actor: name of the person, id of the run, or file of the import.
        model_ids: of the machine's passes, sorted; empty for people.
        at: when it began, in UTC.
        undoes: the run it took back; empty unless the kind is "undo".
        undone_by: the undo that holds now; empty while the run counts.
        sources: of the machine's passes, by name; empty for people.
        images: how many different images its machine looked at; of people and undos, how many its events are of.
        events: how many events of each action; actions without any are left out.
    """

    run_id: str
    kind: str
    actor: str
    model_ids: tuple[str, ...]
    sources: tuple[str, ...]
    at: datetime
    undoes: str
    undone_by: str
    images: int
    events: dict[str, int]


@dataclass(frozen=True, slots=True)
class DecidedTag:
    """A machine's proposal that a person has judged: what thresholds are fitted to.

    Attributes:
        media_id: of the image.
        tag: the tag.
        source: "vote" or "zero_shot".
        score: of the proposal that stood when the person decided.
        model_id: of that proposal.
        is_right: approved or added, not rejected.
    """

    media_id: str
    tag: str
    source: str
    score: float
    model_id: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """How far two machine runs can be compared.

    Attributes:
        images: how many different ones both looked at for a source.
        sources: those, by name; empty where nothing can be compared.
        only_a: sources that the first run alone proposed of, on no image also looked at by the second; by name.
        only_b: of the second, likewise.
    """

    images: int
    sources: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


class ProposalChange(NamedTuple):
    """A tag that two runs see differently.

    Attributes:
        media_id: of an image that both looked at.
        tag: the tag.
        source: "vote" or "zero_shot".
        score_a: of the first run; None where it did not propose the tag.
        score_b: of the second, likewise.
    """

    media_id: str
    tag: str
    source: str
    score_a: float | None
    score_b: float | None
