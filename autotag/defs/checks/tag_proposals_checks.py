"""Check of tag_proposals."""

from functools import partial

import dagster as dg

from autotag.defs.assets.review.tag_proposals import tag_proposals
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=tag_proposals, name="ledger_says_what_the_sources_say")
def tag_proposals_ledger_says_what_the_sources_say(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """What stands as proposed by vote and label scores is what they say of these images."""
    from autotag.pipeline.audit_proposals import audit_tag_proposals

    auditor = partial(audit_tag_proposals, settings=runtime.settings)
    return audit_partitions(context, runtime, auditor, dg.AssetCheckSeverity.WARN)
