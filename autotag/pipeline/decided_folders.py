"""Which folders hold the images that people have decided about since."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from autotag.domain.arrow_columns import is_in
from autotag.errors import MissingInputError, PermanentError
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_table

DECISIONS_AT_ONCE = 10_000
"""Of which the images are looked for together; the folders are walked again for the rest."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far folders were searched.

    Attributes:
        through: number of a decision: those up to it are looked after.
        to: of the last one whose image is being looked for; `through` where none is.
        after: key of the folder that was searched last; empty at the beginning.
    """

    through: int = 0
    to: int = 0
    after: str = ""


def decided_folders(
    plan: PipelinePlan, ledger: TagLedger, keys: Iterable[str], walk: Walk, budget_s: float
) -> tuple[list[str], Walk]:
    """Folders that hold an image with a decision after `walk.through`, and how far the search went.

    Args:
        plan: where folders lie.
        ledger: what people decided.
        keys: of the folders.
        walk: how far the search before went.
        budget_s: the search ends after this long; the next one goes on.
    """
    deadline_s = time.monotonic() + budget_s
    if ledger.position() < walk.through:  # another ledger than before
        walk = Walk()
    events = list(islice(ledger.decisions_since(walk.through), DECISIONS_AT_ONCE))
    to = walk.to if walk.to > walk.through else max((each.number for each in events), default=walk.through)
    media = {each.media_id for each in events if each.number <= to}
    found: list[str] = []
    for key in sorted(keys) if media else ():
        if key <= walk.after:
            continue
        if time.monotonic() > deadline_s:
            return found, Walk(walk.through, to, walk.after)
        if _holds(plan, key, media):
            found.append(key)
        walk = Walk(walk.through, to, key)
    return found, Walk(to, to)


def _holds(plan: PipelinePlan, key: str, media_ids: set[str]) -> bool:
    """Whether a folder's manifest names one of the images; one without a manifest, or with a damaged one, holds none."""
    try:
        media = read_table(plan.layout.folder_tables(key).images, ["media_id"])["media_id"]
    except (MissingInputError, PermanentError):
        return False
    return bool(is_in(media, sorted(media_ids)).any())
