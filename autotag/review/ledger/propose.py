"""Writes what a machine's run proposes. Only a machine's slots are touched here; what people say has its own."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert

from autotag.domain.ledger_entries import RUN, Action, Proposal
from autotag.review.ledger.append import EventWriter
from autotag.review.ledger.records import ProposeCounts
from autotag.review.ledger.rows import (
    Slot,
    ensured_images,
    ensured_run,
    next_number,
    standing_of,
)
from autotag.review.ledger.tables import looks, passes

Best = dict[tuple[str, str, str], Proposal]


@dataclass(frozen=True, slots=True)
class Pass:
    """What a run looked at, and all it proposes for that."""

    run_id: str
    model_id: str
    media_ids: tuple[str, ...]
    sources: tuple[str, ...]
    best: Best

    @classmethod
    def of(
        cls,
        run_id: str,
        model_id: str,
        media_ids: Iterable[str],
        sources: Iterable[str],
        proposals: Sequence[Proposal],
    ) -> "Pass":
        """Checked.

        Raises:
            ValueError: see `TagLedger.propose`.
        """
        media, names = tuple(dict.fromkeys(media_ids)), tuple(dict.fromkeys(sources))
        if not run_id or not all(media) or not all(names):
            raise ValueError("a run, an image and a source each need a name")
        return cls(run_id, model_id, media, names, _best(proposals, set(media), set(names)))


def _best(proposals: Sequence[Proposal], media_ids: set[str], sources: set[str]) -> Best:
    """One proposal a tag of an image and source: two files with the same bytes are one image."""
    best: Best = {}
    for each in proposals:
        if each.media_id not in media_ids or each.source not in sources:
            raise ValueError(f"{each}: its image or its source is none of those that were looked at")
        if not each.tag or not math.isfinite(each.score):
            raise ValueError(f"{each}: a proposal needs a tag and a score that is a number")
        key = (each.media_id, each.source, each.tag)
        if key not in best or each.score > best[key].score:
            best[key] = each
    return best


def write_pass(connection: Connection, given: Pass, at_us: int) -> ProposeCounts:
    """Write it, inside the caller's transaction.

    Raises:
        UsageError: see `TagLedger.propose`.
    """
    run = ensured_run(connection, given.run_id, RUN, given.run_id, at_us)
    numbers = ensured_images(connection, given.media_ids)
    first_pass = next_number(connection, passes.c.pass_number)
    pass_of = {source: first_pass + i for i, source in enumerate(given.sources)}
    writer = EventWriter(connection, run, at_us)
    stood = standing_of(connection, numbers.values(), given.sources)
    counts: Counter[str] = Counter()
    wanted: set[Slot] = set()
    for (media, source, tag), each in given.best.items():
        slot = Slot(numbers[media], source, tag)
        wanted.add(slot)
        if slot in stood and _is_same(stood[slot], each, given.model_id):
            counts["unchanged"] += 1
            continue
        writer.add(slot, Action.PROPOSE, proposal=(pass_of[source], float(each.score), each.evidence))
        counts["proposed"] += 1
    for slot in stood:
        if slot not in wanted:
            writer.add(slot, Action.WITHDRAW, proposal=(pass_of[slot.source], None, ""))
            counts["withdrawn"] += 1
    facts = {"run": run, "model_id": given.model_id, "through": writer.last}
    _write_looks(connection, pass_of, list(numbers.values()), facts)
    writer.write()
    return ProposeCounts(counts["proposed"], counts["withdrawn"], counts["unchanged"])


def _is_same(row: Row, proposal: Proposal, model_id: str) -> bool:
    return (row.score, row.model_id, row.evidence) == (float(proposal.score), model_id, proposal.evidence)


def _write_looks(
    connection: Connection, pass_of: dict[str, int], image_numbers: list[int], facts: dict[str, Any]
) -> None:
    if pass_of:
        rows = [{"pass_number": number, "source": source, **facts} for source, number in pass_of.items()]
        connection.execute(insert(passes), rows)
    if seen := [
        {"pass_number": number, "image": image} for number in pass_of.values() for image in image_numbers
    ]:
        connection.execute(insert(looks), seen)
