"""Runs the target steps in this process, as the assets do."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.domain.schemas import EVIDENCE
from autotag.pipeline.cut_target_crops import CropForm, TargetCropsWorker, finish_target_crops
from autotag.pipeline.embed_target import TargetEmbeddingsWorker, finish_target_embeddings
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.run_units import Step, run_step
from autotag.pipeline.target_parts import Chunk, chunks_of
from autotag.storage.tables import Stamp, read_table, write_table, write_text

FORM = CropForm(64, 90)


def crops(plan: PipelinePlan, key: str, chunk_files: int = 4, form: CropForm = FORM) -> StepCounts:
    """target_crops of a folder."""
    chunks = chunks_of(plan, key, chunk_files)
    _run("target_crops", WorkerPlan(TargetCropsWorker, (plan, form)), chunks)
    return finish_target_crops(plan, chunks, key, form=form)


def embeddings(plan: PipelinePlan, key: str, chunk_files: int = 4) -> StepCounts:
    """target_embeddings of a folder."""
    chunks = chunks_of(plan, key, chunk_files)
    _run("target_embeddings", WorkerPlan(TargetEmbeddingsWorker, (plan,)), chunks)
    return finish_target_embeddings(plan, chunks, key)


def _run(name: str, worker: WorkerPlan, chunks: list[Chunk]) -> None:
    run_step(InProcessEngine(), Step(name, worker, [chunk.unit for chunk in chunks]))


@dataclass(frozen=True)
class Processed:
    """Counts of the three steps and the tables they made."""

    images: StepCounts
    crops: StepCounts
    embeddings: StepCounts
    image_rows: pa.Table
    region_rows: pa.Table
    embedding_rows: pa.Table


def process(plan: PipelinePlan, key: str, chunk_files: int = 4) -> Processed:
    """All three steps; their counts have to close and to agree with the tables."""
    listed = list_target_images(plan, key)
    cut = crops(plan, key, chunk_files)
    embedded = embeddings(plan, key, chunk_files)
    tables = plan.layout.folder_tables(key)
    made = Processed(
        listed,
        cut,
        embedded,
        read_table(tables.images),
        read_table(tables.regions),
        read_table(tables.embeddings),
    )
    assert cut.taken == listed.made == made.image_rows.num_rows
    assert embedded.taken == cut.made == len(made.region_rows["file"].unique())
    assert embedded.made == len(made.embedding_rows["file"].unique())
    assert (cut.regions, embedded.regions) == (made.region_rows.num_rows, made.embedding_rows.num_rows)
    for step in (listed, cut, embedded):
        assert step.taken == step.made + step.rejected + step.duplicates
    for rows in (made.region_rows, made.embedding_rows):
        order = list(zip(rows["file"].to_pylist(), rows["region_index"].to_pylist(), strict=True))
        assert order == sorted(order)
    assert saved_crops(plan, key) == sorted(
        name for name in made.region_rows["crop_file"].to_pylist() if name
    )
    assert not tables.parts("target_crops").exists()
    assert not tables.parts("target_embeddings").exists()
    return made


def saved_crops(plan: PipelinePlan, key: str) -> list[str]:
    """Every file below the crops directory, relative to it."""
    directory = plan.layout.folder_tables(key).crops
    base = directory.path + "/"
    return sorted(path.removeprefix(base) for path in directory.fs.find(directory.path))


def damage_pages(table: Path, column: str = "") -> None:
    """Damage what a table holds, or one column of it; its footer stays whole."""
    data = bytearray(table.read_bytes())
    columns = pq.read_metadata(table).row_group(0)
    for chunk in (columns.column(number) for number in range(columns.num_columns)):
        if chunk.path_in_schema.split(".")[0] == column or not column:
            data[chunk.data_page_offset : chunk.data_page_offset + 8] = bytes(8)
    table.write_bytes(data)


def write_tags(plan: PipelinePlan, key: str, model_id: str) -> Path:
    """tags.json and evidence of a vote in which nobody voted; the path of tags.json."""
    tables = plan.layout.folder_tables(key)
    write_table(tables.evidence, EVIDENCE.empty_table(), EVIDENCE, Stamp("evidence", model_id))
    write_text(tables.tags, json.dumps({"folder": key, "model_id": model_id, "images": []}))
    return Path(tables.tags.path)
