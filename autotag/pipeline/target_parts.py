"""A folder's files in chunks: each chunk commits a part of its own, the parts become one table."""

from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.schemas import REJECTS
from autotag.errors import MissingInputError, PermanentError
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import Stamp, TableWriter, count_rows, is_current, read_stamp, read_table, write_table


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
        return self.directory / f"{self.chunk.first:08d}.parquet"

    @property
    def rejects(self) -> UPath:
        """Rejects of the part."""
        return self.directory / f"{self.chunk.first:08d}.rejects.parquet"

    @property
    def journal(self) -> UPath:
        """Journal of the part."""
        return self.directory / f"{self.chunk.first:08d}.json"


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
    """Where the joined rows and rejects of a step go, and of which schema and fingerprint they are."""

    rows: UPath
    rejects: UPath
    schema: pa.Schema
    stamp: Stamp


def join_parts(plan: PipelinePlan, chunks: list[Chunk], directory: UPath, joined: JoinedTables) -> StepCounts:
    """Parts -> one table and one rejects table, in manifest order; then the parts go.

    Raises:
        PermanentError: a part is missing or stale.
    """
    counts = StepCounts()
    with (
        TableWriter(joined.rejects, REJECTS, joined.stamp) as rejects,
        TableWriter(joined.rows, joined.schema, joined.stamp) as rows,
    ):
        for chunk in chunks:
            files = ChunkFiles(directory, chunk)
            done = part_counts(files, joined.stamp.fingerprint)
            if done is None:
                raise PermanentError(f"{files.rows} is missing or stale; run the step again")
            counts.add(done)
            rows.write(read_table(files.rows))
            rejects.write(read_table(files.rejects))
        counts.resumed = 0
        joined.stamp.extra["counts"] = counts.close(joined.stamp.table).to_record()
    remove_parts(directory)
    return counts


def joined_counts(joined: JoinedTables) -> StepCounts | None:
    """Counts of a step that is done; None when it is to be made."""
    stamp = read_stamp(joined.rows)
    if stamp is None or not is_current(joined.rejects, joined.stamp.fingerprint):
        return None
    if stamp.fingerprint != joined.stamp.fingerprint:
        return None
    return StepCounts.from_record(stamp.extra["counts"])


def remove_parts(directory: UPath) -> None:
    """Delete a step's parts and journals."""
    if directory.is_dir():
        directory.fs.rm(directory.path, recursive=True)
