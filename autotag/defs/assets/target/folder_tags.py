"""folder_tags: the vote."""

import time

import dagster as dg

from autotag.defs.assets.reference.faiss_index import faiss_index
from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.sheets import folder_sheet


@dg.asset(
    group_name="target",
    partitions_def=target_folders,
    deps=[target_embeddings, faiss_index],
    code_version=code_version(1),
    pool="target",
    kinds={"faiss", "json"},
)
def folder_tags(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """The folder's regions find their nearest archive regions, which vote its tags; who voted is kept."""
    from autotag.pipeline.approved_voters import current_voters
    from autotag.pipeline.progress import StepProgress
    from autotag.pipeline.tag_folder import tag_folder
    from autotag.pipeline.thresholds_in_use import thresholds_in_use

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("folder_tags", 0, [])
        voters = current_voters(plan, runtime.settings)
        thresholds = thresholds_in_use(plan, runtime.settings)
        tagged = tag_folder(plan, key, runtime.vote_rules(), runtime.search_options(), voters, thresholds)
        tagged.counts.seconds = time.perf_counter() - started
        progress.close(tagged.counts)
        facts = {
            "images with tags": tagged.tagged,
            "images without": tagged.counts.made - tagged.tagged,
            "tags given": tagged.tags,
            "index_version": tagged.index_version,
            **({"approved voters": voters.counts.made} if voters else {}),
        }
        sheet = folder_sheet(
            plan, key, runtime.settings, {"images": tagged.counts.made, **facts, "model": plan.model_id}
        )
    path = plan.layout.folder_tables(key).tags
    return dg.MaterializeResult(
        metadata=metadata(tagged.counts, model_id=plan.model_id, path=path, **sheet, **facts)
    )
