"""The sensor: a folder that appears below the target root becomes a partition, and is processed once it is quiet.

The cursor holds one path, where the next look begins when one tick's time was not enough. What was processed
is read from the folders' own tables, and one change asks for one run, however often the sensor looks.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import dagster as dg

from autotag.defs.jobs import process_target_job
from autotag.defs.partitions import SETTINGS, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.identity import folder_key, folder_path
from autotag.errors import AutotagError
from autotag.pipeline.discover_folders import FoundFolder, find_folder, folder_paths
from autotag.pipeline.plan import plan_of
from autotag.settings import Settings
from autotag.storage.layout import Layout
from autotag.storage.releases import current_version
from autotag.storage.roots import layout_of

TICK_BUDGET_S = 40.0
"""Dagster ends a tick after 60 s; a look at a very large root goes on in the next one."""

MAX_RUNS_A_TICK = 500
"""Dagster looks every requested run up; more are asked for in the next tick."""

MAX_PARTITIONS = 50_000
"""Dagster's pages grow slow beyond this; further folders wait until others are retired."""


@dg.sensor(
    job=process_target_job,
    minimum_interval_seconds=SETTINGS.target.sensor_interval_s,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def target_folder_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """New folders become partitions and are tagged once they are quiet; changed ones again; removed ones are retired."""
    settings = runtime.settings
    layout = layout_of(settings)
    if not layout.target.is_dir():
        # A drive that is not mounted: nothing is retired because of it.
        return dg.SensorResult(skip_reason=f"{layout.target} is not there; make it, or set [paths] target")
    known = set(context.instance.get_dynamic_partitions(str(target_folders.name)))
    look = _look(layout, context.cursor or "", settings.target.quiet_s)
    gone = [key for key in sorted(known - look.keys) if not (layout.target / folder_path(key)).is_dir()]
    room = max(0, MAX_PARTITIONS - len(known) + len(gone))
    new = [folder.key for folder in look.found if folder.key not in known]
    registered = known.union(new[:room])
    due = [folder for folder in look.due if folder.key in registered]
    obstacle = _obstacle(settings, layout) if due else ""
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new[:room]:
        requests.append(target_folders.build_add_request(new[:room]))
    if gone:
        requests.append(target_folders.build_delete_request(gone))
    runs = [] if obstacle else [_request(folder) for folder in due]
    told = f"{len(look.found)} folders looked at, {look.settling} not quiet yet"
    told += f"; {len(new) - room} wait until others are retired" if len(new) > room else ""
    told += f"; {len(due)} to be tagged, but {obstacle}" if obstacle else ""
    return dg.SensorResult(
        run_requests=runs,
        dynamic_partitions_requests=requests,
        cursor=look.next_path,
        skip_reason=None if runs else told,
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What one tick saw.

    Attributes:
        keys: of all folders, looked at or not.
        found: folders with images that were looked at.
        due: those of them that are to be tagged.
        settling: how many changed too lately.
        next_path: where the next tick goes on; "" for the beginning.
    """

    keys: frozenset[str]
    found: Sequence[FoundFolder]
    due: Sequence[FoundFolder]
    settling: int
    next_path: str


def _look(layout: Layout, after: str, quiet_s: float) -> _Look:
    """Look at folders after a path, until the tick's time or its runs are used up."""
    deadline = time.monotonic() + TICK_BUDGET_S
    paths = list(folder_paths(layout.target))
    found: list[FoundFolder] = []
    due: list[FoundFolder] = []
    settling, stopped_at = 0, ""
    for path in paths:
        if after and PurePosixPath(path).parts <= PurePosixPath(after).parts:
            continue
        folder = find_folder(layout, path)
        if folder is not None:
            found.append(folder)
            if not folder.is_processed:
                quiet = folder.is_quiet(time.time(), quiet_s)
                due += [folder] if quiet else []
                settling += not quiet
        if len(due) >= MAX_RUNS_A_TICK or time.monotonic() > deadline:
            stopped_at = path
            break
    next_path = "" if not paths or stopped_at == paths[-1] else stopped_at
    return _Look(frozenset(map(folder_key, paths)), found, due, settling, next_path)


def _request(folder: FoundFolder) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{folder.key}:{folder.version}", partition_key=folder.key)


def _obstacle(settings: Settings, layout: Layout) -> str:
    """Why no folder can be tagged now; a run that failed for it would not be asked for again."""
    try:
        model_id = plan_of(settings, "").model_id
        released = current_version(layout.reference, model_id)
    except AutotagError as error:
        return str(error)
    return "" if released else f"there is no reference index of {model_id} yet: materialise faiss_index"
