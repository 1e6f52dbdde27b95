"""What was brought into the catalog and lies no more below the target root: found, and forgotten by the catalog.

Apart from the sensor that retires partitions: that one may be switched off, or end between two steps, and the catalog may not
answer just then. What is due is read from what was materialised and what is there, whoever removed it and when; a run forgets
all of it, so the next one makes up for any that failed. What was forgotten is observed: so a folder that comes back is known to
have left, and `catalog_sensor` brings it in again.
"""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.asked_runs import Unasked, last_run
from autotag.defs.materialized import failures
from autotag.defs.partitions import target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.errors import AutotagError

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan
    from autotag.settings import Settings
    from autotag.storage.layout import Layout

INTERVAL_S = 60

CATALOG_ENTRIES = dg.AssetKey("catalog_entries")

STATE_TAG = "autotag/retired_folders"
"""Of a run that the sensor asked for: the folders that are gone, when each was last brought into the catalog, and the model id."""

WHY_NOT = {
    Unasked.UNDER_WAY: "the run is queued or under way",
    Unasked.PAUSED: "the run failed and is tried again later",
    Unasked.LEFT: "the run failed or was cancelled and is left: run `autotag catalog --all`",
}


def gone_folders(
    instance: dg.DagsterInstance, layout: "Layout", unlooked: Collection[str] = ()
) -> dict[str, int]:
    """Keys of folders that the catalog has and that are not there any more, each with the number of its last event.

    Where the target root is not there, or nothing is in it, none is gone: a drive that is not mounted loses no folder, and
    mostly leaves an empty directory in its place.

    Args:
        instance: knows what was catalogued, and what was forgotten.
        layout: where folders lie.
        unlooked: keys that are taken to be there.
    """
    if not layout.target.is_dir() or not any(islice(layout.target.iterdir(), 1)):
        return {}
    forgotten = forgotten_folders(instance)
    written = instance.get_latest_storage_id_by_partition(
        CATALOG_ENTRIES, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    return {
        key: number
        for key, number in sorted(written.items())
        if key not in unlooked and number > forgotten.get(key, 0) and not layout.folder(key).is_dir()
    }


def forgotten_folders(instance: dg.DagsterInstance) -> Mapping[str, int]:
    """Keys of folders that the catalog ever forgot because they were gone, each with the number of the last such event."""
    return instance.get_latest_storage_id_by_partition(CATALOG_ENTRIES, dg.DagsterEventType.ASSET_OBSERVATION)


def forget_gone(instance: dg.DagsterInstance, plan: "PipelinePlan", settings: "Settings") -> dict[str, int]:
    """Have the catalog forget the folders that are gone; how many images of each there were.

    Raises as `forget_folders`.
    """
    from autotag.pipeline.forget_folders import forget_folders

    forgotten = forget_folders(plan, list(gone_folders(instance, plan.layout)), settings)
    for key, images in forgotten.items():
        instance.report_runless_asset_event(
            dg.AssetObservation(CATALOG_ENTRIES, partition=key, metadata={"images forgotten": images})
        )
    return forgotten


def forget_gone_of_home(plan: "PipelinePlan", settings: "Settings") -> dict[str, int]:
    """As `forget_gone`, by what the instance of `DAGSTER_HOME` knows."""
    with dg.DagsterInstance.get() as instance:
        return forget_gone(instance, plan, settings)


@dg.op
def forget_retired_folders(context: dg.OpExecutionContext, runtime: AutotagRuntime) -> None:
    """Takes the images of folders that are gone out of the catalog; the user's files were gone before."""
    from autotag.pipeline.plan import plan_of

    with failures():
        forgotten = forget_gone(context.instance, plan_of(runtime.settings), runtime.settings)
    context.add_output_metadata({"folders": len(forgotten), "images forgotten": sum(forgotten.values())})


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
