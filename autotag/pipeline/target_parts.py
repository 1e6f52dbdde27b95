"""A folder's files in chunks: each chunk commits a part of its own, the parts become one table.

When a folder changes by a few files, the rows of the others are taken over from the table of the run before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.schemas import REJECTS
from autotag.errors import MissingInputError, PermanentError, RejectedImageError
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.removal import remove_tree
from autotag.storage.tables import (
    Stamp,
    TableWriter,
    count_rows,
    is_current,
    read_stamp,
    read_table,
    write_table,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a folder's manifest.

    Attributes:
        key: partition key of the folder.
        first: first row.
        size: most rows.
    """

    key: str
    first: int
    size: int

    @property
    def unit(self) -> str:
        """Name that travels to a worker."""
        return f"{self.key}#{self.first}#{self.size}"

    @classmethod
    def of(cls, unit: str) -> "Chunk":
        """The inverse of `unit`."""
        key, first, size = unit.rsplit("#", 2)
        return cls(key, int(first), int(size))


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """Where a chunk's part, its rejects and its journal lie."""

    directory: UPath
    chunk: Chunk

    @property
    def rows(self) -> UPath:
        """Rows of the part."""
        return self._named("parquet")

    @property
    def rejects(self) -> UPath:
        """Rejects of the part."""
        return self._named("rejects.parquet")

    @property
    def journal(self) -> UPath:
        """Journal of the part."""
        return self._named("json")

    def _named(self, ending: str) -> UPath:
        # With the size: a part of another chunk size covers other files.
        return self.directory / f"{self.chunk.first:08d}-{self.chunk.size}.{ending}"


def chunk_journal(plan: PipelinePlan, step: str, unit: str) -> UPath:
    """Journal of the chunk that `unit` names."""
    chunk = Chunk.of(unit)
    return ChunkFiles(plan.layout.folder_tables(chunk.key).parts(step), chunk).journal


def chunks_of(plan: PipelinePlan, key: str, chunk_files: int) -> list[Chunk]:
    """The folder's chunks.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    path = plan.layout.folder_tables(key).images
    if read_stamp(path) is None:
        raise MissingInputError(f"{path} is not there; materialise target_images of {key} first")
    return [Chunk(key, first, chunk_files) for first in range(0, count_rows(path), chunk_files)]


def commit_part(files: ChunkFiles, table: pa.Table, rejects: list[dict[str, object]], stamp: Stamp) -> None:
    """Write a chunk's rejects, then its rows: a part with rows is a whole part."""
    write_table(files.rejects, pa.Table.from_pylist(rejects, schema=REJECTS), REJECTS, stamp)
    write_table(files.rows, table, table.schema, stamp)


def part_counts(files: ChunkFiles, fingerprint: str) -> StepCounts | None:
    """Counts of a part that is done; None when it is to be made."""
    stamp = read_stamp(files.rows)
    if stamp is None or stamp.fingerprint != fingerprint:
        return None
    return StepCounts.from_record(stamp.extra["counts"])


@dataclass(frozen=True, slots=True)
class JoinedTables:
    """Where the joined rows and rejects of a step go, and how.

    Attributes:
        rows: the table.
        rejects: its rejects.
        schema: of the rows; the column `file` is sorted.
        stamp: fingerprint of all inputs.
        settings: fingerprint of all inputs but the images: rows of equal settings may be taken over.
    """

    rows: UPath
    rejects: UPath
    schema: pa.Schema
    stamp: Stamp
    settings: str


def join_parts(chunks: list[Chunk], directory: UPath, joined: JoinedTables) -> StepCounts:
    """Parts -> one table and one rejects table, in manifest order; then the parts go.

    A step that is done is left as it is.

    Raises:
        PermanentError: a part is missing or stale.
    """
    counts = joined_counts(joined) or _join(chunks, directory, joined)
    remove_tree(directory)
    return counts


def _join(chunks: list[Chunk], directory: UPath, joined: JoinedTables) -> StepCounts:
    counts, stamp = StepCounts(), joined.stamp
    with (
        TableWriter(joined.rejects, REJECTS, stamp) as rejects,
        TableWriter(joined.rows, joined.schema, stamp) as rows,
    ):
        for chunk in chunks:
            files = ChunkFiles(directory, chunk)
            done = part_counts(files, stamp.fingerprint)
            if done is None:
                raise PermanentError(
                    f"{files.rows} is missing or stale: the folder changed meanwhile; run the step again"
                )
            counts.add(done)
            rows.write(read_table(files.rows))
            rejects.write(read_table(files.rejects))
        counts.resumed = 0
        stamp.extra |= {"counts": counts.close(stamp.table).to_record(), "settings": joined.settings}
    return counts


def joined_counts(joined: JoinedTables) -> StepCounts | None:
    """Counts of a step that is done; None when it is to be made."""
    stamp = read_stamp(joined.rows)
    if stamp is None or not is_current(joined.rejects, joined.stamp.fingerprint):
        return None
    if stamp.fingerprint != joined.stamp.fingerprint:
        return None
    return StepCounts.from_record(stamp.extra["counts"])


def joined_chunk_counts(joined: JoinedTables, names: Sequence[str]) -> StepCounts | None:
    """Counts of some files, ascending, of a step that is done; None when it is to be made."""
    if not names or joined_counts(joined) is None:
        return None
    files = read_table(joined.rows, ["file"], span=("file", names[0], names[-1]))["file"]
    made = len(files.unique())
    rejected = len(set(names) & set(read_table(joined.rejects, ["key"])["key"].to_pylist()))
    return StepCounts(
        taken=made + rejected, made=made, rejected=rejected, regions=len(files), units=1, resumed=1
    )


def earlier_rows(joined: JoinedTables, names: Sequence[str]) -> pa.Table:
    """Rows of these files, ascending, in the step's last finished table; none when its settings were others."""
    stamp = read_stamp(joined.rows)
    if not names or stamp is None or stamp.extra.get("settings") != joined.settings:
        return joined.schema.empty_table()
    try:
        return read_table(joined.rows, span=("file", names[0], names[-1])).select(joined.schema.names)
    except PermanentError:  # damaged: everything is computed again
        return joined.schema.empty_table()


def merge_rows(fresh: pa.Table, earlier: pa.Table, files: Collection[str]) -> pa.Table:
    """Fresh rows and the earlier ones of `files`, by file then region index."""
    kept = earlier.filter(pc.field("file").isin(pa.array(sorted(files), pa.string())))
    both = pa.concat_tables([fresh, kept.cast(fresh.schema)])
    return both.sort_by([("file", "ascending"), ("region_index", "ascending")])


def reject_rows(rejects: Mapping[str, RejectedImageError]) -> list[dict[str, object]]:
    """Rows of a rejects table, by file."""
    return [
        {"key": name, "offset_bytes": None, "stage": error.stage, "reason": error.reason}
        for name, error in sorted(rejects.items())
    ]
