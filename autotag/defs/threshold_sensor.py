"""Fits the thresholds again when what they were fitted to has changed: the model, the index, the labels, people's decisions."""

import dagster as dg

from autotag.defs.asked_runs import Unasked, last_run
from autotag.defs.jobs import thresholds_job
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.errors import AutotagError

INTERVAL_S = 300
"""Also the longest that a decision waits to be learned from; people decide many times in that time, which is one fit."""

STATE_TAG = "autotag/threshold_state"
"""Of a run that the sensor asked for: model, index, labels, decisions, rules and target precision."""

WHY_NOT = {
    Unasked.UNDER_WAY: "the fit is queued or running",
    Unasked.PAUSED: "the fit failed and is tried again later",
    Unasked.LEFT: "the fit failed or was cancelled and is left: run `autotag thresholds`, or change what it is fitted to",
}


@dg.sensor(
    job=thresholds_job, minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING
)
def tag_threshold_sensor(
    context: dg.SensorEvaluationContext, runtime: AutotagRuntime
) -> dg.RunRequest | dg.SkipReason:
    """Asks for a fit where there is none to the state of model, index, labels and decisions; never without a target precision."""
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.threshold_facts import state_to_fit

    settings = runtime.settings
    if not settings.thresholds.target_precision:
        return dg.SkipReason("[thresholds] target_precision is 0: the fixed thresholds hold")
    try:
        state = state_to_fit(plan_of(settings), settings)
    except AutotagError as error:
        return dg.SkipReason(str(error))
    if not state:
        return dg.SkipReason("the thresholds are up to date, or there is no reference index to fit them to")
    # They may be due though they were fitted to this state before: in between to another, or their table was deleted.
    last = last_run(context.instance, STATE_TAG, state, again_after_success=True)
    if isinstance(last, Unasked):
        return dg.SkipReason(WHY_NOT[last])
    return dg.RunRequest(run_key=f"{state}:{last}", tags={STATE_TAG: state})
