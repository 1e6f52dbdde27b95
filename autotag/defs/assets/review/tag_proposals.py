"""tag_proposals: the machine's tags, in the ledger."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.counts import StepCounts

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan

NO_LEDGER = "no ledger: set [review] ledger to a database URL"
"""Told where the data root is an object store, in which no database can lie."""


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
    from autotag.review.ledger.place import has_place

    key = context.partition_key
    with failures(), folder_held(context, runtime):
        plan, started = runtime.plan(context), time.perf_counter()
        progress = StepProgress("tag_proposals", 0, [])
        if has_place(runtime.settings, plan.layout):
            counts, facts = _proposed(plan, key, context.run.run_id, runtime)
        else:  # who has no use for a ledger is not kept from tags
            counts, facts = StepCounts(notes=[NO_LEDGER]), {}
        counts.seconds = time.perf_counter() - started
        progress.close(counts)
    return dg.MaterializeResult(metadata=metadata(counts, model_id=plan.model_id, **facts))


def _proposed(
    plan: "PipelinePlan", key: str, run_id: str, runtime: AutotagRuntime
) -> tuple[StepCounts, dict[str, int]]:
    """Counts, and what the ledger made of each source."""
    from autotag.pipeline.propose_tags import propose_tags
    from autotag.review.ledger.place import ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger

    with TagLedger.open(ledger_url(runtime.settings, plan.layout)) as ledger:
        done = propose_tags(plan, key, run_id, ledger)
    facts = {
        f"{source}: {what}": count
        for source, counts in done.by_source.items()
        for what, count in (
            ("proposed", counts.proposed),
            ("unchanged", counts.unchanged),
            ("withdrawn", counts.withdrawn),
        )
    }
    return done.counts, facts
