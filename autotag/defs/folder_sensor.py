"""The sensor: a folder that appears below the target root becomes a partition, and is processed once it is quiet.

The cursor holds one path, where the next look begins when one tick's time was not enough. What was processed
is read from the folders' own tables, and one change asks for one run, however often the sensor looks.
"""

import time
from pathlib import PurePosixPath

import dagster as dg

from autotag.defs.jobs import process_target_job
from autotag.defs.partitions import SETTINGS, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.identity import folder_path
from autotag.pipeline.discover_folders import FoundFolder, find_folder, folder_paths
from autotag.storage.layout import Layout
from autotag.storage.releases import any_release
from autotag.storage.roots import layout_of

TICK_BUDGET_S = 40.0
"""Dagster ends a tick after 60 s; a look at a very large root goes on in the next one."""

MAX_PARTITIONS = 50_000
"""Dagster's pages grow slow beyond this; further folders wait until others are retired."""


@dg.sensor(
    job=process_target_job,
    minimum_interval_seconds=SETTINGS.target.sensor_interval_s,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def target_folder_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """Adds, retires and runs target folders."""
    settings = runtime.settings
    layout = layout_of(settings)
    known = set(context.instance.get_dynamic_partitions(str(target_folders.name)))
    found, next_path = _look(layout, context.cursor or "")
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    added = [folder.key for folder in found if folder.key not in known][: max(0, MAX_PARTITIONS - len(known))]
    if added:
        requests.append(target_folders.build_add_request(added))
    gone = [key for key in sorted(known) if not (layout.target / folder_path(key)).is_dir()]
    if gone:
        requests.append(target_folders.build_delete_request(gone))
    registered = known.union(added)
    now_s = time.time()
    runs = [] if not any_release(layout.reference) else [
        dg.RunRequest(run_key=f"{folder.key}:{folder.version}", partition_key=folder.key)
        for folder in found
        if folder.key in registered and not folder.is_processed and folder.is_quiet(now_s, settings.target.quiet_s)
    ]
    waiting = sum(1 for folder in found if not folder.is_processed) - len(runs)
    reason = None
    if not runs and not added and not gone:
        reason = f"{len(found)} folders, {waiting} not quiet yet or without a reference index, nothing to do"
    return dg.SensorResult(
        run_requests=runs, dynamic_partitions_requests=requests, cursor=next_path, skip_reason=reason
    )


def _look(layout: Layout, after: str) -> tuple[list[FoundFolder], str]:
    """Folders after a path, until the tick's time is used up, and where to go on; "" for the beginning."""
    deadline = time.monotonic() + TICK_BUDGET_S
    found: list[FoundFolder] = []
    for path in folder_paths(layout.target):
        if after and PurePosixPath(path).parts <= PurePosixPath(after).parts:
            continue
        folder = find_folder(layout, path)
        if folder is not None:
            found.append(folder)
        if time.monotonic() > deadline:
            return found, path
    return found, ""
