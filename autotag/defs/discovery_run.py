"""Looks for new tags in one folder, or in all of them together, and tells what was found."""

import os
import time

import dagster as dg
from pydantic import Field

from autotag.defs.materialized import metadata
from autotag.defs.resources.runtime import AutotagRuntime


class DiscoveryConfig(dg.Config):
    """What a discovery is told besides the settings."""

    options: str = Field(
        default="",
        description="what the command on the page finds these folders by, like `--root photos`; default `--folder F`",
    )


def discover(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, key: str | None, config: DiscoveryConfig
) -> dg.MaterializeResult:
    """Discover, write table and page, and tell counts and where they lie.

    Args:
        context: names the step.
        runtime: gives settings and plan.
        key: of the folder; None for all folders together.
        config: of the step.
    """
    from autotag.pipeline.discover_tags import discover_tags
    from autotag.pipeline.plan import in_process_plan
    from autotag.pipeline.progress import StepProgress

    settings, started = runtime.settings, time.perf_counter()
    plan = in_process_plan(runtime.plan(context), settings.ray.num_cpus or os.cpu_count() or 1)
    progress = StepProgress(context.asset_key.to_user_string(), 0, [])
    found = discover_tags(plan, key, settings, config.options, progress.reached)
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
