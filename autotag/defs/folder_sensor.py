"""The sensor: a folder that appears below the target root becomes a partition, and is processed once it is quiet.

The cursor holds one path, where the next look begins when one tick's time was not enough, and when changes that
are dated in the future were first seen. What was processed, and by which models, is read from the folders' own
tables; what was asked for, from the runs (`folder_requests`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.asked_runs import Unasked
from autotag.defs.folder_requests import run_request
from autotag.defs.jobs import process_target_job
from autotag.defs.partitions import SETTINGS, target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.tagging_obstacles import plan_or_obstacle, vote_obstacle
from autotag.domain.identity import folder_key, folder_path

if TYPE_CHECKING:
    from autotag.pipeline.discover_folders import FoundFolder
    from autotag.storage.layout import Layout

TICK_BUDGET_S = 40.0
"""Dagster ends a tick after 60 s; a look at a very large root goes on in the next one."""

MAX_RUNS_A_TICK = 500
"""Dagster looks every requested run up; more are asked for in the next tick."""

MAX_PARTITIONS = 50_000
"""Dagster's pages grow slow beyond this; further folders wait until others are retired."""

MAX_REMEMBERED = 500
"""Folders that changed in the future and are remembered in the cursor; further ones wait until these are done."""


@dg.sensor(
    job=process_target_job,
    minimum_interval_seconds=SETTINGS.target.sensor_interval_s,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def target_folder_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """New folders become partitions and are tagged once they are quiet; changed ones again; removed ones are retired."""
    from autotag.storage.roots import layout_of

    settings = runtime.settings
    layout = layout_of(settings)
    if not layout.target.is_dir():
        # A drive that is not mounted: nothing is retired because of it.
        return dg.SensorResult(skip_reason=f"{layout.target} is not there; make it, or set [paths] target")
    known = set(context.instance.get_dynamic_partitions(str(target_folders.name)))
    plan, obstacle = plan_or_obstacle(settings)
    model_id = plan.model_id if plan else ""
    look = _look(layout, _Memory.of(context.cursor), settings.target.quiet_s, model_id)
    gone = [key for key in sorted(known - look.keys) if not (layout.target / folder_path(key)).is_dir()]
    room = max(0, MAX_PARTITIONS - len(known) + len(gone))
    new = [folder.key for folder in look.found if folder.key not in known]
    registered = known.union(new[:room])
    due = [folder for folder in look.states[_State.DUE] if folder.key in registered]
    obstacle = vote_obstacle(plan, settings) if plan and due else obstacle
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new[:room]:
        requests.append(target_folders.build_add_request(new[:room]))
    if gone:
        requests.append(target_folders.build_delete_request(gone))
    answers = [] if obstacle else [run_request(context.instance, folder, model_id) for folder in due]
    runs = [answer for answer in answers if isinstance(answer, dg.RunRequest)]
    told = _told(look, [answer for answer in answers if isinstance(answer, Unasked)])
    told += f"; {len(new) - room} wait until others are retired" if len(new) > room else ""
    told += f"; {len(due)} to be tagged, but {obstacle}" if obstacle else ""
    return dg.SensorResult(
        run_requests=runs,
        dynamic_partitions_requests=requests,
        cursor=look.memory.to_cursor(),
        skip_reason=None if runs else told,
    )


class _State(Enum):
    """What a folder needs: nothing, time, the end of another run, or a run."""

    DONE = auto()
    SETTLING = auto()
    HELD = auto()
    DUE = auto()


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one tick leaves to the next.

    Attributes:
        next_path: where it goes on; "" for the beginning.
        ahead: of folders that changed in the future: their version, and when it was first seen.
    """

    next_path: str = ""
    ahead: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str | None) -> "_Memory":
        """The inverse of `to_cursor`; a cursor that is none of ours starts from the beginning."""
        try:
            told = json.loads(cursor or "{}")
            ahead = {key: (str(version), float(seen_s)) for key, (version, seen_s) in told["ahead"].items()}
            return cls(str(told["next_path"]), ahead)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def to_cursor(self) -> str:
        return json.dumps({"next_path": self.next_path, "ahead": self.ahead})

    def first_seen_s(self, folder: "FoundFolder", now_s: float) -> float:
        """When the folder's version was first seen: now, if it is new."""
        version, seen_s = self.ahead.get(folder.key, ("", now_s))
        return min(seen_s, now_s) if version == folder.version else now_s


@dataclass(frozen=True, slots=True)
class _Look:
    """What one tick saw.

    Attributes:
        keys: of all folders, looked at or not.
        found: folders with images that were looked at.
        states: the same folders, by their state.
        unreadable: why some folders could not be looked at.
        memory: for the next tick.
    """

    keys: frozenset[str]
    found: "Sequence[FoundFolder]"
    states: "Mapping[_State, Sequence[FoundFolder]]"
    unreadable: Sequence[str]
    memory: _Memory


def _look(layout: "Layout", memory: _Memory, quiet_s: float, model_id: str) -> _Look:
    """Look at folders after a path, until the tick's time or its runs are used up."""
    from autotag.pipeline.discover_folders import target_folder_paths

    deadline = time.monotonic() + TICK_BUDGET_S
    paths = list(target_folder_paths(layout))
    keys = frozenset(map(folder_key, paths))
    ahead = {key: seen for key, seen in memory.ahead.items() if key in keys}
    found: list[FoundFolder] = []
    unreadable: list[str] = []
    states: dict[_State, list[FoundFolder]] = {state: [] for state in _State}
    after, stopped_at = PurePosixPath(memory.next_path).parts, ""
    for path in paths:
        if after and PurePosixPath(path).parts <= after:
            continue
        folder, now_s = _find(layout, path, unreadable), time.time()
        if folder is not None:
            found.append(folder)
            seen_s = memory.first_seen_s(folder, now_s)
            is_quiet = folder.is_quiet(now_s, quiet_s, seen_s)
            state = _state(folder, model_id, is_quiet, layout)
            states[state].append(folder)
            ahead.pop(folder.key, None)
            if state is not _State.DONE and folder.changed_s > now_s and len(ahead) < MAX_REMEMBERED:
                ahead[folder.key] = (folder.version, round(seen_s, 1))
        if len(states[_State.DUE]) >= MAX_RUNS_A_TICK or time.monotonic() > deadline:
            stopped_at = path
            break
    next_path = "" if not paths or stopped_at == paths[-1] else stopped_at
    return _Look(keys, found, states, unreadable, _Memory(next_path, ahead))


def _find(layout: "Layout", path: str, unreadable: list[str]) -> "FoundFolder | None":
    """The folder; None also where its results cannot be looked at, which must not end the look at the others."""
    from autotag.pipeline.discover_folders import find_folder

    try:
        return find_folder(layout, path)
    except OSError as error:
        unreadable.append(f"{path}: {error}")
        return None


def _state(folder: "FoundFolder", model_id: str, is_quiet: bool, layout: "Layout") -> _State:
    """Tags of another model id are none; of any, where the settings' own is not known."""
    from autotag.storage.locks import folder_lock, is_held

    if folder.tagged_by and folder.tagged_by == (model_id or folder.tagged_by):
        return _State.DONE
    if not is_quiet:
        return _State.SETTLING
    return _State.HELD if is_held(folder_lock(layout, folder.key)) else _State.DUE


def _told(look: _Look, unasked: Sequence[Unasked]) -> str:
    """One line about the folders that get no run now."""
    settling, held = len(look.states[_State.SETTLING]), len(look.states[_State.HELD])
    told = f"{len(look.found)} folders looked at, {settling} not quiet yet"
    for count, what in (
        (held, "being worked on"),
        (unasked.count(Unasked.UNDER_WAY), "queued or running"),
        (unasked.count(Unasked.PAUSED), "failed and tried again later"),
        (unasked.count(Unasked.LEFT), "failed or cancelled and left: run them by hand, or change the folder"),
        (len(look.unreadable), f"unreadable, such as {next(iter(look.unreadable), '')}"),
    ):
        told += f", {count} {what}" if count else ""
    return told
