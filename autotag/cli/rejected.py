"""Images that a run left out: some by name with the reason, and where the tables with all of them lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotag.cli.run_outcome import Materialised, Outcome
from autotag.domain.identity import folder_path
from autotag.errors import PermanentError

if TYPE_CHECKING:
    from upath import UPath

    from autotag.storage.layout import Layout

NAMED = 5
DUPLICATE = "duplicate"
"""Stage of a row that stands for an image left out because an equal one is kept."""


@dataclass(frozen=True, slots=True)
class RejectedOf:
    """What one asset rejected.

    Attributes:
        asset: its name.
        count: images rejected.
        examples: some of them: "00003: a.jpg (decode: truncated)".
        place: the table with all of them; its directory where they are in several tables.
    """

    asset: str
    count: int
    examples: tuple[str, ...]
    place: str


def rejected_of(layout: "Layout", outcome: Outcome) -> list[RejectedOf]:
    """What the run's assets rejected; an asset that rejected nothing is left out."""
    found: list[RejectedOf] = []
    for entry in outcome.materialised:
        tables = [(name, _table(layout, entry, name)) for name in entry.rejected_in]
        there = [(name, table) for name, table in tables if table is not None]
        if there:
            is_shard = entry.asset.startswith("source_")
            together = there[0][1].parent if is_shard else layout.target_processed
            place = there[0][1] if len(there) == 1 else together
            examples = tuple(_examples(there, is_shard=is_shard))
            found.append(RejectedOf(entry.asset, entry.facts["rejected"], examples, str(place)))
    return found


def _table(layout: "Layout", entry: Materialised, partition: str) -> "UPath | None":
    if entry.asset.startswith("source_"):
        source = layout.source(str(entry.facts["model_id"]))
        tables = {"source_images": source.rejects, "source_embeddings": source.embedding_rejects}
        return tables[entry.asset](partition) if entry.asset in tables else None
    folder = layout.folder_tables(partition)
    return {
        "target_images": folder.rejects,
        "target_crops": folder.region_rejects,
        "target_embeddings": folder.embedding_rejects,
        "thumbnails": folder.thumbnail_rejects,
    }.get(entry.asset)


def _examples(tables: "list[tuple[str, UPath]]", *, is_shard: bool) -> Iterator[str]:
    from autotag.storage.tables import read_table

    left = NAMED
    for partition, table in tables:
        try:
            rows = read_table(table, ["key", "stage", "reason"]).to_pylist()
        except PermanentError:  # gone or damaged since: the figures stand all the same
            continue
        for row in [row for row in rows if row["stage"] != DUPLICATE][:left]:
            left -= 1
            of_many = f"{folder_path(partition)}: " if len(tables) > 1 else ""
            where = f"shard {partition}: " if is_shard else of_many
            yield f"{where}{row['key']} ({row['stage']}: {row['reason']})"
        if not left:
            return
