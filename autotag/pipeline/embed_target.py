"""target_embeddings: embeds the recorded regions of a folder, cut from the originals as in the source pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from autotag.compute.kernel import Decoded, EmbeddedImage, embed_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.regions import Region
from autotag.domain.schemas import target_embeddings
from autotag.errors import RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.make_part import PartRecipe, make_part
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.pipeline.region_rows import (
    REGION_COLUMNS,
    embedding_column,
    region_columns,
    regions_by_image,
    repeat_for_regions,
)
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    chunk_journal,
    join_parts,
    joined_chunk_counts,
    part_counts,
)
from autotag.pipeline.unit_walk import UnitImages
from autotag.storage.folder_files import read_file
from autotag.storage.folder_state import folder_state
from autotag.storage.tables import Stamp, read_schema, read_table

STEP = "target_embeddings"


@dataclass(frozen=True, slots=True)
class RecordedImage:
    """What the vectors of an image are made from: its bytes and its regions."""

    media_id: str
    regions: list[Region]


@dataclass(frozen=True, slots=True)
class TargetEmbeddingsWorker(Journalled):
    """Embeds one chunk of a folder."""

    plan: PipelinePlan

    def __call__(self, unit: str) -> StepCounts:
        """Write the chunk's part of the embeddings table.

        Images whose bytes and boxes did not change since the last finished table keep their vectors.

        Raises:
            MissingInputError: the folder is gone, or its regions are not there or stale.
            ModelMismatchError: its regions are another detector's.
        """
        chunk = Chunk.of(unit)
        tables = self.plan.layout.folder_tables(chunk.key)
        joined = embeddings_tables(self.plan, chunk.key, loaded_embedder(self.plan.embedder).dim)
        images = read_table(tables.images, ["file"])["file"]
        names = images.slice(chunk.first, chunk.size).to_pylist()
        files = ChunkFiles(tables.parts(STEP), chunk)
        done = joined_chunk_counts(joined, names) or part_counts(files, joined.stamp.fingerprint)
        return done or make_part(self.plan, files, joined, self._recipe(chunk.key, names, joined.schema))

    def journal(self, unit: str) -> UPath:
        """The chunk's journal of this step."""
        return chunk_journal(self.plan, STEP, unit)

    def _recipe(
        self, key: str, names: list[str], schema: pa.Schema
    ) -> PartRecipe[RecordedImage, EmbeddedImage]:
        """Recorded regions in, their vectors out."""
        plan, folder = self.plan, self.plan.layout.folder(key)
        span = ("file", names[0], names[-1])
        regions = plan.layout.folder_tables(key).regions
        recorded = _images(read_table(regions, ["file", "media_id", *REGION_COLUMNS], span=span))

        def images(files: list[str]) -> UnitImages:
            return UnitImages(
                files,
                lambda index: read_file(folder, files[index], recorded[files[index]].media_id),
                [recorded[file].regions[0].area_px for file in files],
            )

        def make(
            files: list[str], decoded: Sequence[Decoded], clock: StageClock
        ) -> Sequence[EmbeddedImage | RejectedImageError]:
            boxes = [recorded[file].regions for file in files]
            return embed_regions(loaded_embedder(plan.embedder), decoded, boxes, clock)

        return PartRecipe(
            recorded, _images, images, make, lambda kept: _embedding_table(kept, recorded, schema)
        )


def embeddings_tables(plan: PipelinePlan, key: str, dim: int) -> JoinedTables:
    """The joined tables of the step, for vectors of length `dim`.

    Raises as `embeddings_fingerprint`.
    """
    tables = plan.layout.folder_tables(key)
    stamp = Stamp(STEP, plan.model_id, embeddings_fingerprint(plan, key))
    return JoinedTables(
        tables.embeddings, tables.embedding_rejects, target_embeddings(dim), stamp, plan.model_id
    )


def embeddings_fingerprint(plan: PipelinePlan, key: str) -> str:
    """What the embeddings of a folder have to be made from now.

    Raises:
        MissingInputError: the folder has no regions, or they are of an earlier state of the folder.
        ModelMismatchError: the regions are another detector's.
    """
    return folder_state(plan.layout.folder_tables(key), plan.model_id, key)


def finish_target_embeddings(plan: PipelinePlan, chunks: list[Chunk], key: str) -> StepCounts:
    """Join the chunks. The length of a vector is read off a part: no network is loaded where no worker runs."""
    directory = plan.layout.folder_tables(key).parts(STEP)
    made = [
        plan.layout.folder_tables(key).embeddings,
        *(ChunkFiles(directory, chunk).rows for chunk in chunks),
    ]
    dims = [read_schema(path).field("embedding").type.list_size for path in made if path.exists()]
    dim = dims[-1] if dims else loaded_embedder(plan.embedder).dim
    return join_parts(chunks, directory, embeddings_tables(plan, key, dim))


def _images(rows: pa.Table) -> dict[str, RecordedImage]:
    media = dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))
    return {file: RecordedImage(media[file], found) for file, found in regions_by_image(rows, "file").items()}


def _embedding_table(
    kept: Mapping[str, EmbeddedImage], images: Mapping[str, RecordedImage], schema: pa.Schema
) -> pa.Table:
    if not kept:
        return schema.empty_table()
    regions = [image.regions for image in kept.values()]
    columns = region_columns([images[file].media_id for file in kept], regions)
    vectors = embedding_column(list(kept.values()))
    return pa.table(
        {"file": repeat_for_regions(list(kept), regions), **columns, "embedding": vectors}, schema=schema
    )
