"""What was brought into the catalog and lies no more below the target root: found, and forgotten by the catalog.

Apart from the sensor that retires partitions: that one may be switched off, or end between two steps, and the catalog may not
answer just then. What is due is read from what was materialised and what is there, whoever removed it and when; a run forgets
all of it, so the next one makes up for any that failed.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.asked_runs import Unasked, last_run
from autotag.defs.materialized import failures
from autotag.defs.partitions import target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.errors import AutotagError

if TYPE_CHECKING:
    from autotag.storage.layout import Layout

INTERVAL_S = 60

CATALOG_ENTRIES = dg.AssetKey("catalog_entries")

STATE_TAG = "autotag/retired_folders"
"""Of a run that the sensor asked for: the folders that are gone, when each was last brought into the catalog, and the model id."""

WHY_NOT = {
    Unasked.UNDER_WAY: "the run is queued or under way",
    Unasked.PAUSED: "the run failed and is tried again later",
    Unasked.LEFT: "the catalog has forgotten all folders that are gone; or the run failed or was cancelled and is left:"
    " run `autotag catalog --all`",
}


def gone_folders(
    instance: dg.DagsterInstance, layout: "Layout", unlooked: Collection[str] = ()
) -> dict[str, int]:
    """Keys of folders that were catalogued once and are not there any more, each with the number of its last event.

    Where the target root itself is not there none is gone: a drive that is not mounted loses no folder.

    Args:
        instance: knows what was catalogued.
        layout: where folders lie.
        unlooked: keys that are taken to be there.
    """
    if not layout.target.is_dir():
        return {}
    written = instance.get_latest_storage_id_by_partition(
        CATALOG_ENTRIES, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    return {
        key: number
        for key, number in sorted(written.items())
        if key not in unlooked and not layout.folder(key).is_dir()
    }


def folders_gone(layout: "Layout") -> list[str]:
    """As `gone_folders`, by what the instance of `DAGSTER_HOME` knows."""
    with dg.DagsterInstance.get() as instance:
        return list(gone_folders(instance, layout))


@dg.op
def forget_retired_folders(context: dg.OpExecutionContext, runtime: AutotagRuntime) -> None:
    """Takes the images of folders that are gone out of the catalog; the user's files were gone before."""
    from autotag.pipeline.forget_folders import forget_folders
    from autotag.pipeline.plan import plan_of

    with failures():
        plan = plan_of(runtime.settings)
        gone = gone_folders(context.instance, plan.layout)
        forgotten = forget_folders(plan, list(gone), runtime.settings)
    context.add_output_metadata({"folders": len(gone), "images forgotten": sum(forgotten.values())})


@dg.job(description="Folders that are gone leave the catalog.")
def forget_retired_job() -> None:
    """One step."""
    forget_retired_folders()


@dg.sensor(
    job=forget_retired_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def retired_folder_sensor(
    context: dg.SensorEvaluationContext, runtime: AutotagRuntime
) -> dg.RunRequest | dg.SkipReason:
    """Asks the catalog to forget folders that were retired since, once for each set of them."""
    from autotag.pipeline.plan import plan_of
    from autotag.storage.fingerprints import fingerprint
    from autotag.storage.roots import layout_of

    settings = runtime.settings
    # Partitions are not looked at: the folder sensor does, and retires those whose folder is gone.
    partitions = frozenset(context.instance.get_dynamic_partitions(str(target_folders.name)))
    gone = gone_folders(context.instance, layout_of(settings), partitions)
    if not gone:
        return dg.SkipReason("every folder of the catalog is there")
    try:
        model_id = plan_of(settings).model_id
    except AutotagError as error:
        return dg.SkipReason(str(error))
    state = fingerprint(folders=gone, model_id=model_id)
    last = last_run(context.instance, STATE_TAG, state, again_after_success=False)
    if isinstance(last, Unasked):
        return dg.SkipReason(WHY_NOT[last])
    return dg.RunRequest(run_key=f"{state}:{last}", tags={STATE_TAG: state})
