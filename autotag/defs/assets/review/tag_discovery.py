"""tag_discovery: what no tag explains, proposed as new tags."""

import os
import time

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[folder_tags, label_scores],
    code_version=code_version(1),
    pool="target",
    kinds={"parquet", "html"},
)
def tag_discovery(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Regions that no voter, tag or label explains, clustered; each cluster may become a tag if a person says so."""
    from autotag.pipeline.discover_tags import discover_tags
    from autotag.pipeline.plan import in_process_plan
    from autotag.pipeline.progress import StepProgress

    key, settings = context.partition_key, runtime.settings
    with failures(), folder_held(context, runtime):
        started = time.perf_counter()
        plan = in_process_plan(runtime.plan(context), settings.ray.num_cpus or os.cpu_count() or 1)
        progress = StepProgress("tag_discovery", 0, [])
        found = discover_tags(plan, key, settings)
        found.counts.seconds = time.perf_counter() - started
        progress.close(found.counts)
    facts = {
        "clusters": len(found.clusters),
        "regions unexplained": found.regions.taken - found.regions.explained,
        "regions clustered": found.regions.clustered,
        "clusters page": dg.MetadataValue.path(str(found.page)),
    }
    return dg.MaterializeResult(
        metadata=metadata(found.counts, model_id=plan.model_id, path=found.path, **facts)
    )
