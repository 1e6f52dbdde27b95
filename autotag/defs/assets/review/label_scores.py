"""label_scores: every image against every label."""

import os
import time

import dagster as dg

from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[target_embeddings],
    code_version=code_version(1),
    pool="target",
    kinds={"parquet"},
)
def label_scores(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Cosine of each image, and of its best region, to every label of the list; from stored vectors."""
    from autotag.pipeline.fit_thresholds import ranking_in_use
    from autotag.pipeline.plan import in_process_plan
    from autotag.pipeline.progress import StepProgress
    from autotag.pipeline.score_labels import label_rules, score_labels

    key, settings = context.partition_key, runtime.settings
    with failures(), folder_held(context, runtime):
        started = time.perf_counter()
        plan = in_process_plan(runtime.plan(context), settings.ray.num_cpus or os.cpu_count() or 1)
        progress = StepProgress("label_scores", 0, [])
        scored = score_labels(plan, key, label_rules(settings, ranking_in_use(plan, settings)))
        scored.counts.seconds = time.perf_counter() - started
        progress.close(scored.counts)
    return dg.MaterializeResult(
        metadata=metadata(
            scored.counts,
            model_id=plan.model_id,
            path=plan.layout.folder_tables(key).label_scores,
            **{
                "labels": scored.labels,
                "labels fingerprint": scored.labels_fingerprint,
                "labels over threshold": scored.over_threshold,
                "images with labels over threshold": scored.images_over,
                "most frequent best labels": dg.MetadataValue.md(_table(scored.top1)),
            },
        )
    )


def _table(top1: tuple[tuple[str, int], ...]) -> str:
    """Markdown."""
    rows = (f"| {label.replace('|', chr(92) + '|')} | {images} |" for label, images in top1)
    return "\n".join(["| label | images it is the best label of |", "| --- | ---: |", *rows])
