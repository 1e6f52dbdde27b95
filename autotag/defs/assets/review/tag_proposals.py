"""tag_proposals: the machine's tags, in the ledger."""

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
    kinds={"sqlite"},
)
def tag_proposals(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Tags of the vote and labels over their thresholds, proposed to people; what they decided stays."""
    from autotag.pipeline.progress import StepProgress
    from autotag.pipeline.propose_tags import propose_tags
    from autotag.review.ledger.place import ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("tag_proposals", 0, [])
        with TagLedger.open(ledger_url(runtime.settings, plan.layout)) as ledger:
            done = propose_tags(plan, key, context.run.run_id, ledger)
        done.counts.seconds = time.perf_counter() - started
        progress.close(done.counts)
    facts = {
        f"{source}: {what}": count
        for source, counts in done.by_source.items()
        for what, count in (
            ("proposed", counts.proposed),
            ("unchanged", counts.unchanged),
            ("withdrawn", counts.withdrawn),
        )
    }
    return dg.MaterializeResult(metadata=metadata(done.counts, model_id=plan.model_id, **facts))
