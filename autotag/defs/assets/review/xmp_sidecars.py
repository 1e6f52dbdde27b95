"""xmp_sidecars: approved tags beside the images, where other programs read them. Only when asked for."""

import time
from typing import Any

import dagster as dg
from pydantic import Field

from autotag.defs.folder_run import folder_held
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version, target_folders
from autotag.defs.resources.runtime import AutotagRuntime

NAMED = 10


class SidecarsConfig(dg.Config):
    """What a run does with sidecars."""

    dry_run: bool = Field(default=False, description="only say what would be written; nothing is")
    plan: str = Field(
        default="",
        description="file of `autotag sidecars --dry-run --save-plan`: only what it said is written, and a sidecar that was changed since is rejected",
    )
    set_damaged_aside: bool = Field(
        default=False, description="keep a damaged sidecar under another name, and write a new one"
    )


@dg.asset(
    group_name="review",
    partitions_def=target_folders,
    deps=[dg.AssetKey("tag_proposals")],
    code_version=code_version(1),
    pool="target",
    kinds={"xmp"},
)
def xmp_sidecars(
    context: dg.AssetExecutionContext, runtime: AutotagRuntime, config: SidecarsConfig
) -> dg.MaterializeResult:
    """Approved tags go into XMP sidecars through ExifTool, with what others wrote there kept; a run can be undone."""
    from autotag.pipeline.progress import StepProgress
    from autotag.review.sidecars.folder import folder_sidecars, sidecar_record
    from autotag.review.sidecars.plan import SidecarWishes
    from autotag.review.sidecars.plan_file import read_plan
    from autotag.storage.roots import layout_of

    key, settings = context.partition_key, runtime.settings
    with failures(), folder_held(context, runtime):
        started, progress = time.perf_counter(), StepProgress("xmp_sidecars", 0, [])
        wishes = SidecarWishes(read_plan(config.plan, key) if config.plan else None, config.set_damaged_aside)
        written = folder_sidecars(
            layout_of(settings),
            settings,
            key,
            wishes,
            dry_run=config.dry_run,
            reached=progress.reached,
        )
        counts = written.counts(f"xmp_sidecars of {key}")
        counts.seconds = time.perf_counter() - started
        progress.close(counts)
    if written.notice:
        context.log.warning(written.notice)
    rejected = [each for each in written.sidecars if each.state == "rejected"]
    aside = [each for each in written.sidecars if each.aside]
    counts.notes = [f"{each.sidecar}: {each.reason}" for each in rejected[:NAMED]]
    counts.notes += [f"{each.sidecar} was damaged: kept as {each.aside}" for each in aside[:NAMED]]
    facts: dict[str, Any] = {state: written.count(state) for state in ("new", "merged", "unchanged")}
    facts |= {"set aside": len(aside), "place": dg.MetadataValue.path(written.place)}
    facts |= {"notice": written.notice} if written.notice else {}
    if config.dry_run:
        facts |= {"diff": dg.MetadataValue.json([sidecar_record(each) for each in written.sidecars])}
    else:
        facts |= {"sidecar run": written.run}
    return dg.MaterializeResult(metadata=metadata(counts, path=written.report or written.place, **facts))
