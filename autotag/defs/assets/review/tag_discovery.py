"""tag_discovery: what no tag explains, proposed as new tags."""

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.discovery_run import DiscoveryConfig, discover
from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures
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
def tag_discovery(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, config: DiscoveryConfig
) -> dg.MaterializeResult:
    """Regions that no voter, tag or label explains, clustered; each cluster may become a tag if a person says so."""
    with failures(), folder_held(context, runtime):
        return discover(context, runtime, context.partition_key, config)
