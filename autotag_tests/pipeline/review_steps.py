"""A ledger with decisions about the images of a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autotag.domain.ledger_entries import Action, Decision
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_table


def open_ledger(plan: PipelinePlan) -> TagLedger:
    """The one in the data root."""
    Path(plan.layout.ledger.path).parent.mkdir(parents=True, exist_ok=True)
    return TagLedger.open(f"sqlite:///{plan.layout.ledger.path}")


def media_of(plan: PipelinePlan, key: str) -> dict[str, str]:
    """Media id of each file of a folder."""
    rows = read_table(plan.layout.folder_tables(key).images, ["file", "media_id"])
    return dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))


def decide(
    ledger: TagLedger,
    plan: PipelinePlan,
    key: str,
    tags: Mapping[str, Sequence[str]],
    action: Action = Action.ADD,
    by: str = "ann",
) -> str:
    """One click: the same said of the tags of some files; the run id."""
    media = media_of(plan, key)
    words = [Decision(media[file], tag, action) for file, own in tags.items() for tag in own]
    return ledger.decide(words, by)
