"""Runs that sensors ask for: once for every state of what they watch, and again after some failures.

What was asked for before is read from the runs themselves, which carry the state as a tag: one query a state that is due,
and nothing to remember. Dagster starts one run a run key, ever; so the last run of the state is part of the key.
"""

import time
from enum import Enum, auto
from itertools import takewhile

import dagster as dg

from autotag.defs.materialized import ERROR_CLASS
from autotag.defs.resources.run_settings import RETRY_NUMBER_TAG

PERMANENT_TAG = "autotag/permanent_failure"
"""Of a run that failed: whether that is permanent, with its own id: one that is executed again has copies of its parent's tags."""

PAUSES_S = (300.0, 1800.0)
"""After the first and the second request of one state whose run failed; the third is the last."""

FIRST = "first"
"""Stands in a run key for the last run of a state that has none."""


class Unasked(Enum):
    """Why what is due gets no run now."""

    UNDER_WAY = auto()
    PAUSED = auto()
    LEFT = auto()


def last_run(
    instance: dg.DagsterInstance, state_tag: str, state: str, *, again_after_success: bool
) -> str | Unasked:
    """What belongs into the run key beside the state, or why no run is wanted.

    A run that failed is asked for again after a pause, unless the failure is permanent; one that a person cancelled, never.

    Args:
        instance: knows the runs.
        state_tag: of a run that a sensor asked for; its value is the state.
        state: as it is now.
        again_after_success: whether the state is due though its latest run succeeded.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={state_tag: state}))
    # One that was never started is the daemon's to start: it does when it is asked with the same key again.
    begun = [each for each in records if each.dagster_run.status is not dg.DagsterRunStatus.NOT_STARTED]
    unasked = _why_not(instance, begun, again_after_success=again_after_success)
    return unasked or (begun[0].dagster_run.run_id if begun else FIRST)


def _why_not(
    instance: dg.DagsterInstance, records: "list[dg.RunRecord]", *, again_after_success: bool
) -> Unasked | None:
    """Why not to run a state again, by its runs, the newest first."""
    runs = [each.dagster_run for each in records]
    if not all(run.is_finished for run in runs):
        return Unasked.UNDER_WAY
    if not runs or (runs[0].status is dg.DagsterRunStatus.SUCCESS and again_after_success):
        return None
    failed = list(takewhile(lambda run: run.status is dg.DagsterRunStatus.FAILURE, runs))
    # Dagster runs one whose process died again by itself, at once: that is the same request.
    requests = sum(RETRY_NUMBER_TAG not in run.tags for run in failed)
    if not failed or requests > len(PAUSES_S):
        return Unasked.LEFT
    if _is_permanent(instance, runs[0]):
        return Unasked.LEFT
    ended_s = records[0].end_time or records[0].update_timestamp.timestamp()
    return Unasked.PAUSED if time.time() - ended_s < PAUSES_S[max(0, requests - 1)] else None


def _is_permanent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run failed for one of our own reasons that no retry helps; a crash or a bug is none."""
    verdicts = {f"{run.run_id} yes": True, f"{run.run_id} no": False}
    known = verdicts.get(run.tags.get(PERMANENT_TAG, ""))
    if known is not None:
        return known
    failed = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    told = [each.dagster_event.step_failure_data.user_failure_data for each in failed if each.dagster_event]
    is_permanent = any(each is not None and ERROR_CLASS in each.metadata for each in told)
    # Its events are read once, not at every look.
    instance.add_run_tags(run.run_id, {PERMANENT_TAG: f"{run.run_id} {'yes' if is_permanent else 'no'}"})
    return is_permanent
