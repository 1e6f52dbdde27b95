"""review_sheet: a folder as a CSV, to edit and to import again."""

import time
from contextlib import nullcontext

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.assets.review.tag_proposals import NO_LEDGER, tag_proposals
from autotag.defs.assets.target.target_images import target_images
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[target_images, label_scores, tag_proposals],
    code_version=code_version(1),
    pool="target",
    kinds={"csv"},
)
def review_sheet(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """review.csv: every image with its best labels and approved tags; `autotag review import` takes edits of it back."""
    from autotag.pipeline.progress import StepProgress
    from autotag.pipeline.write_review_sheet import write_review_sheet
    from autotag.review.ledger.place import has_place, ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("review_sheet", 0, [])
        is_kept = has_place(runtime.settings, plan.layout)
        opened = TagLedger.open(ledger_url(runtime.settings, plan.layout)) if is_kept else nullcontext()
        with opened as ledger:
            written = write_review_sheet(plan, key, context.run.run_id, ledger, progress.reached)
        written.counts.notes += [] if is_kept else [NO_LEDGER]
        written.counts.seconds = time.perf_counter() - started
        progress.close(written.counts)
    facts = {"images with labels": written.scored, "images with approved tags": written.approved}
    path = plan.layout.folder_tables(key).review_sheet
    return dg.MaterializeResult(metadata=metadata(written.counts, model_id=plan.model_id, path=path, **facts))
