"""Runs the steps of a shard in this process."""

import pyarrow as pa

from autotag.domain.counts import StepCounts
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.storage.tables import read_table


def embed(plan: PipelinePlan, shard: str = "00000", boxes_from: str = "") -> StepCounts:
    """Both steps."""
    SourceImagesWorker(plan)(shard)
    counts = SourceEmbeddingsWorker(plan, boxes_from)(shard)
    assert counts.taken == counts.made + counts.rejected
    return counts


def rows_of(plan: PipelinePlan, shard: str = "00000") -> pa.Table:
    return read_table(plan.layout.source(plan.model_id).embeddings(shard))


def rejects_of(plan: PipelinePlan, shard: str = "00000") -> dict[str, tuple[str, str]]:
    rows = read_table(plan.layout.source(plan.model_id).embedding_rejects(shard)).to_pylist()
    return {row["key"]: (row["stage"], row["reason"]) for row in rows}
