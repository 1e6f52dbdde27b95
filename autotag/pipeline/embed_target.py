"""target_embeddings: embeds the recorded regions of a folder, cut from the originals as in the source pass."""

from dataclasses import dataclass

import pyarrow as pa

from autotag.compute.kernel import EmbeddedImage, embed_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.schemas import target_embeddings
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.list_target_images import read_file
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.pipeline.region_rows import embedding_column, region_columns, regions_by_image, repeat_for_regions
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    commit_part,
    join_parts,
    joined_counts,
    part_counts,
)
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, read_stamp, read_table

STEP = "target_embeddings"


@dataclass(frozen=True, slots=True)
class TargetEmbeddingsWorker:
    """Embeds one chunk of a folder."""

    plan: PipelinePlan

    def __call__(self, unit: str) -> StepCounts:
        """Write the chunk's part of the embeddings table.

        Raises:
            MissingInputError: the folder is gone, or its regions are not there.
        """
        chunk = Chunk.of(unit)
        files = ChunkFiles(self.plan.layout.folder_tables(chunk.key).parts(STEP), chunk)
        made_from = embeddings_fingerprint(self.plan, chunk.key)
        done = part_counts(files, made_from)
        return done or self._embed(chunk, files, made_from)

    def _embed(self, chunk: Chunk, files: ChunkFiles, made_from: str) -> StepCounts:
        plan, clock = self.plan, StageClock()
        tables, folder = plan.layout.folder_tables(chunk.key), plan.layout.folder(chunk.key)
        chunk_names = read_table(tables.images, ["file"])["file"].to_pylist()[chunk.first : chunk.first + chunk.size]
        rows = read_table(tables.regions)
        found = regions_by_image(rows.filter(pa.compute.is_in(rows["file"], pa.array(chunk_names))), "file")
        media = dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))
        names = [name for name in chunk_names if name in found]
        embedder = loaded_embedder(plan.embedder)
        journal = AttemptJournal(files.journal, plan.run_id, plan.max_attempts)
        unit = UnitImages(names, lambda index: read_file(folder, names[index]))
        kept: list[tuple[str, EmbeddedImage]] = []
        rejects: list[dict[str, object]] = []
        for batch, decoded in walk_unit(unit, plan.limits, journal, clock, plan.batch_images, plan.threads):
            results = embed_regions(embedder, decoded, [found[names[index]] for index in batch], clock)
            for index, result in zip(batch, results, strict=True):
                if isinstance(result, RejectedImageError):
                    rejects.append(
                        {"key": names[index], "offset_bytes": None, "stage": result.stage, "reason": result.reason}
                    )
                else:
                    kept.append((names[index], result))
        counts = StepCounts(taken=len(names), made=len(kept), rejected=len(rejects), units=1, stage_ms=clock.ms)
        counts.regions = sum(len(image.regions) for _, image in kept)
        extra = {"counts": counts.close(f"target_embeddings of {chunk.key}").to_record()}
        table = _embedding_table(kept, media, embedder.dim)
        commit_part(files, table, rejects, Stamp(STEP, plan.model_id, made_from, extra))
        journal.finish()
        return counts


def embeddings_fingerprint(plan: PipelinePlan, key: str) -> str:
    """What the embeddings of a folder are made from.

    Raises:
        MissingInputError: the folder has no regions.
    """
    path = plan.layout.folder_tables(key).regions
    regions = read_stamp(path)
    if regions is None:
        raise MissingInputError(f"{path} is not there; materialise target_crops of {key} first")
    return fingerprint(regions=regions.fingerprint, model=plan.model_id)


def embeddings_tables(plan: PipelinePlan, key: str) -> JoinedTables:
    """The joined tables of the step."""
    tables = plan.layout.folder_tables(key)
    stamp = Stamp(STEP, plan.model_id, embeddings_fingerprint(plan, key))
    schema = target_embeddings(loaded_embedder(plan.embedder).dim)
    return JoinedTables(tables.embeddings, tables.embedding_rejects, schema, stamp)


def finish_target_embeddings(plan: PipelinePlan, chunks: list[Chunk], key: str) -> StepCounts:
    """Join the chunks."""
    joined = embeddings_tables(plan, key)
    directory = plan.layout.folder_tables(key).parts(STEP)
    return joined_counts(joined) or join_parts(plan, chunks, directory, joined)


def _embedding_table(kept: list[tuple[str, EmbeddedImage]], media: dict[str, str], dim: int) -> pa.Table:
    schema = target_embeddings(dim)
    if not kept:
        return schema.empty_table()
    regions = [image.regions for _, image in kept]
    files = [file for file, _ in kept]
    columns = region_columns([media[file] for file in files], regions)
    vectors = embedding_column([image for _, image in kept])
    return pa.table({"file": repeat_for_regions(files, regions), **columns, "embedding": vectors}, schema=schema)
