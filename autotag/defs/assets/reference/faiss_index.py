"""faiss_index: the reference index over all embedded shards."""

import dagster as dg

from autotag.defs.assets.source.source_pass import EMBEDDINGS
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="reference",
    deps=[EMBEDDINGS],
    code_version=code_version(2),
    pool="reference",
    kinds={"faiss", "arrow"},
)
def faiss_index(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Joins all embedded shards into one index, measures its recall, releases it with its mapping to tags."""
    from autotag.pipeline.build_reference import ReferenceOptions, build_reference
    from autotag.pipeline.progress import StepProgress
    from autotag.reference.manifest import INDEX_FILE
    from autotag.storage.locks import held, index_lock

    with failures():
        index = runtime.settings.index
        plan, progress = runtime.plan(context), StepProgress("faiss_index", 0, [])
        options = ReferenceOptions(
            factory=index.factory,
            memory_budget_bytes=index.memory_budget_mib * 2**20,
            device=index.device,
            threads=0,
            query_batch=index.query_batch,
            probes=index.probes,
            target_recall=index.target_recall_at_10,
            keep_versions=index.keep_versions,
        )
        with held(index_lock(plan.layout, plan.model_id)):
            released = build_reference(plan, options)
        progress.close(released.counts)
    manifest = released.manifest
    return dg.MaterializeResult(
        metadata=metadata(
            released.counts,
            model_id=plan.model_id,
            path=released.directory,
            version=manifest.version,
            factory=manifest.factory,
            why=manifest.reason,
            vectors=manifest.rows,
            shards=len(manifest.shards),
            index_mib=round(manifest.files[INDEX_FILE].size_bytes / 2**20, 2),
            recall_at_10=manifest.recall_at_10,
        )
    )
