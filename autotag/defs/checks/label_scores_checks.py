"""Checks of label_scores."""

from functools import partial

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.checks.partition_audit import audit_partitions
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset_check(asset=label_scores, name="every_embedded_image_is_scored")
def label_scores_every_embedded_image_is_scored(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """One row an embedded image, and every cosine a number in [-1, 1]."""
    from autotag.pipeline.audit_label_scores import audit_label_scores

    return audit_partitions(context, runtime, partial(audit_label_scores, settings=runtime.settings))
