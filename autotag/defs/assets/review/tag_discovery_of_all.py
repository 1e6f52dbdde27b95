"""tag_discovery_of_all: what no tag explains in all folders together, proposed as new tags."""

import dagster as dg

from autotag.defs.assets.review.label_scores import label_scores
from autotag.defs.assets.target.folder_tags import folder_tags
from autotag.defs.discovery_run import DiscoveryConfig, discover
from autotag.defs.materialized import failures
from autotag.defs.partitions import code_version
from autotag.defs.resources.runtime import AutotagRuntime


@dg.asset(
    group_name="review",
    deps=[folder_tags, label_scores],
    code_version=code_version(1),
    pool="reference",
    kinds={"parquet", "html"},
)
def tag_discovery_of_all(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, config: DiscoveryConfig
) -> dg.MaterializeResult:
    """As tag_discovery, over all folders that are embedded with the model: what is alike in several makes one cluster."""
    with failures():
        return discover(context, runtime, None, config)
