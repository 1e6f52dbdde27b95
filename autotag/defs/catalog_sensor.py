"""The sensor that keeps the catalog up to date: folders that it missed, or about which people have decided since.

A folder's own run ends with the catalog; where that step fails, the folder is tagged and its sensor asks for no more. What
was missed is read from what was materialised: tags or proposals that are newer than the folder's entries. So is a folder that
was gone, and forgotten, and is back. Decisions are read from the ledger, whose position every entry tells.
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.asked_runs import Unasked, last_run
from autotag.defs.jobs import catalog_job
from autotag.defs.materialized import DECISIONS
from autotag.defs.partitions import target_folders
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.retired_folders import CATALOG_ENTRIES as ENTRIES
from autotag.defs.retired_folders import forgotten_folders
from autotag.errors import AutotagError

if TYPE_CHECKING:
    from autotag.pipeline.decided_folders import Walk
    from autotag.pipeline.plan import PipelinePlan
    from autotag.settings import Settings

INTERVAL_S = 60

SEARCH_BUDGET_S = 20.0
"""For looking which folders hold the images that were decided about; the next tick goes on."""

TICK_BUDGET_S = 40.0
"""Dagster ends a tick after 60 s."""

MAX_RUNS_A_TICK = 100

STATE_TAG = "autotag/catalog_state"
"""Of a run that the sensor asked for: the folder, what it was made stale by, and the model id."""

TAGS = (dg.AssetKey("folder_tags"), dg.AssetKey("tag_proposals"))

UNFINISHED = [
    status for status in dg.DagsterRunStatus if status not in (
        dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
    )
]  # fmt: skip


@dg.sensor(
    job=catalog_job, minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING
)
def stale_catalog_sensor(context: dg.SensorEvaluationContext, runtime: AutotagRuntime) -> dg.SensorResult:
    """Folders that were tagged and did not reach the catalog are brought in, and those with later decisions again."""
    from autotag.pipeline.plan import plan_of

    instance, settings, deadline_s = context.instance, runtime.settings, time.monotonic() + TICK_BUDGET_S
    partitions = set(instance.get_dynamic_partitions(str(target_folders.name)))
    try:
        plan = plan_of(settings)
        memory = _noticed(_Memory.of(context.cursor), instance, plan, settings, partitions)
    except AutotagError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    runs, unasked = _asked(instance, plan, memory, partitions, deadline_s)
    return dg.SensorResult(
        run_requests=runs,
        cursor=memory.to_cursor(),
        skip_reason=None if runs else _told(unasked),
    )


def _asked(
    instance: dg.DagsterInstance,
    plan: "PipelinePlan",
    memory: "_Memory",
    partitions: Collection[str],
    deadline_s: float,
) -> tuple[list[dg.RunRequest], list[Unasked]]:
    """Runs that are due, and why others are not; `memory` learns what is done, and where the next tick goes on."""
    runs: list[dg.RunRequest] = []
    unasked: list[Unasked] = []
    behind = _behind(instance)
    due = sorted((behind.keys() | memory.waiting.keys()) & set(partitions))
    after, memory.after = memory.after, ""
    for key in [*(key for key in due if key > after), *(key for key in due if key <= after)]:
        since = _since(instance, key, behind, memory)
        asked = since and plan.layout.folder(key).is_dir() and _request(instance, plan, key, since)
        if isinstance(asked, dg.RunRequest):
            runs.append(asked)
        elif asked:
            unasked.append(asked)
            memory.waiting.pop(key if asked is Unasked.LEFT else "", None)
        if len(runs) == MAX_RUNS_A_TICK or time.monotonic() > deadline_s:
            memory.after = key
            break
    return runs, unasked


def _since(
    instance: dg.DagsterInstance, key: str, behind: Mapping[str, str], memory: "_Memory"
) -> str | None:
    """What made a folder's entries stale; None where they are not, or not any more."""
    number = memory.waiting.get(key)
    if number is not None and _decisions_of(instance, key) < number:
        return f"decision {number}"
    memory.waiting.pop(key, None)
    return behind.get(key)


def _request(
    instance: dg.DagsterInstance, plan: "PipelinePlan", key: str, since: str
) -> dg.RunRequest | Unasked:
    from autotag.storage.fingerprints import fingerprint

    if _is_under_way(instance, key):
        return Unasked.UNDER_WAY
    state = fingerprint(folder=key, since=since, model_id=plan.model_id)
    last = last_run(instance, STATE_TAG, state, again_after_success=False)
    if isinstance(last, Unasked):
        return last
    return dg.RunRequest(f"{state}:{last}", partition_key=key, tags={STATE_TAG: state})


@dataclass(slots=True)
class _Memory:
    """What one tick leaves to the next.

    Attributes:
        walk: how far folders were searched for decisions.
        waiting: folders whose decisions are not in the catalog yet, with the number of the last one.
        after: the folder that was looked at last, where the time did not suffice for all; the next tick goes on behind it.
    """

    walk: "Walk"
    waiting: dict[str, int] = field(default_factory=dict)
    after: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> "_Memory":
        """The inverse of `to_cursor`; a cursor that is none of ours starts from the beginning."""
        from autotag.pipeline.decided_folders import Walk

        try:
            told = json.loads(cursor or "{}")
            walk = Walk(int(told["walk"]["through"]), int(told["walk"]["to"]), str(told["walk"]["after"]))
            waiting = {str(key): int(number) for key, number in told["waiting"].items()}
            return cls(walk, waiting, str(told.get("after", "")))
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(Walk())

    def to_cursor(self) -> str:
        return json.dumps(asdict(self))


def _noticed(
    memory: _Memory,
    instance: dg.DagsterInstance,
    plan: "PipelinePlan",
    settings: "Settings",
    partitions: Collection[str],
) -> _Memory:
    """With folders that people have decided about since."""
    from autotag.pipeline.decided_folders import decided_folders
    from autotag.review.ledger.existing import existing_ledger

    # Those that wait come first: the cursor stays small, and a folder is searched again where it was decided about later.
    # One that is not there may be back some day: it keeps nobody waiting.
    if len(memory.waiting.keys() & set(partitions)) >= MAX_RUNS_A_TICK:
        return memory
    with existing_ledger(settings, plan.layout) as ledger:
        if ledger is None:
            return memory
        found, walk = decided_folders(plan, ledger, _entered(instance), memory.walk, SEARCH_BUDGET_S)
    waiting = memory.waiting | dict.fromkeys(found, max(walk.through, walk.to))
    return _Memory(walk, waiting, memory.after)


def _entered(instance: dg.DagsterInstance) -> Mapping[str, int]:
    """Folders that were brought into the catalog, each with the number of the last such event."""
    return instance.get_latest_storage_id_by_partition(ENTRIES, dg.DagsterEventType.ASSET_MATERIALIZATION)


def _decisions_of(instance: dg.DagsterInstance, key: str) -> int:
    """Up to which decision the folder's entries know them; -1 where they do not say."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=ENTRIES, asset_partitions=[key]), limit=1
    ).records
    made = records[0].asset_materialization if records else None
    told = made.metadata.get(DECISIONS) if made else None
    return told.value if isinstance(told, dg.IntMetadataValue) and told.value is not None else -1


def _behind(instance: dg.DagsterInstance) -> dict[str, str]:
    """Folders whose tags are newer than their entries, and those that were gone and forgotten; each with what made it so."""
    made = dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = dict(forgotten_folders(instance))
    for asset in TAGS:
        for key, number in instance.get_latest_storage_id_by_partition(asset, made).items():
            newest[key] = max(number, newest.get(key, 0))
    entered = _entered(instance)
    return {key: f"event {number}" for key, number in newest.items() if number > entered.get(key, 0)}


def _is_under_way(instance: dg.DagsterInstance, key: str) -> bool:
    """Whether a run of the folder has not ended: it may yet reach the catalog."""
    wanted = dg.RunsFilter(tags={"dagster/partition": key}, statuses=UNFINISHED)
    return bool(instance.get_run_ids(wanted, limit=1))


def _told(unasked: list[Unasked]) -> str:
    """Why no run is asked for."""
    told = [
        f"{unasked.count(why)} {what}"
        for why, what in (
            (Unasked.UNDER_WAY, "under way"),
            (Unasked.PAUSED, "failed and tried again later"),
            (Unasked.LEFT, "failed or cancelled and left: run `autotag catalog --folder F`"),
        )
        if why in unasked
    ]
    return ", ".join(told) or "every tagged folder is in the catalog as it stands"
