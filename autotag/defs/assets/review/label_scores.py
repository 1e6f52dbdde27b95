"""label_scores: every image against every label."""

import os
import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from autotag.defs.assets.target.target_embeddings import target_embeddings
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.counts import StepCounts

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan
    from autotag.pipeline.progress import StepProgress
    from autotag.settings import Settings


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
    from autotag.pipeline.plan import in_process_plan
    from autotag.pipeline.progress import StepProgress
    from autotag.storage.label_files import is_without_labels

    key, settings = context.partition_key, runtime.settings
    with failures(), folder_held(context, runtime):
        started = time.perf_counter()
        plan = in_process_plan(runtime.plan(context), settings.ray.num_cpus or os.cpu_count() or 1)
        progress = StepProgress("label_scores", 0, [])
        if is_without_labels(settings):
            counts, facts = _without_labels(plan, key, settings), {}
        else:
            counts, facts = _scored(plan, key, settings, progress)
        counts.seconds = time.perf_counter() - started
        progress.close(counts)
    return dg.MaterializeResult(metadata=metadata(counts, model_id=plan.model_id, **facts))


def _scored(
    plan: "PipelinePlan", key: str, settings: "Settings", progress: "StepProgress"
) -> tuple[StepCounts, dict[str, Any]]:
    """Counts, and what the scores came to."""
    from autotag.pipeline.score_labels import label_rules, score_labels
    from autotag.pipeline.thresholds_in_use import ranking_in_use

    rules = label_rules(settings, ranking_in_use(plan, settings))
    scored = score_labels(plan, key, rules, progress.reached)
    return scored.counts, {
        "path": plan.layout.folder_tables(key).label_scores,
        "labels": scored.labels,
        "labels fingerprint": scored.labels_fingerprint,
        "labels over threshold": scored.over_threshold,
        "images with labels over threshold": scored.images_over,
        "most frequent best labels": dg.MetadataValue.md(_table(scored.top1)),
    }


def _without_labels(plan: "PipelinePlan", key: str, settings: "Settings") -> StepCounts:
    """Nothing is scored, and the note says why: who has no use for labels is not kept from a review of the vote's tags."""
    from autotag.pipeline.score_labels import drop_unreadable_scores
    from autotag.storage.label_files import label_file

    drop_unreadable_scores(plan, key)
    note = f"no labels: write some into {label_file(settings)}, one a line, or name another file under [labels] file"
    return StepCounts(notes=[note])


def _table(top1: tuple[tuple[str, int], ...]) -> str:
    """Markdown."""
    rows = (f"| {label.replace('|', chr(92) + '|')} | {images} |" for label, images in top1)
    return "\n".join(["| label | images it is the best label of |", "| --- | ---: |", *rows])
