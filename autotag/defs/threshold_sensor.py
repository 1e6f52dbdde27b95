"""Fits the thresholds again when what they were fitted to has changed: the model, the index, the labels, people's decisions."""

import dagster as dg

from autotag.defs.jobs import thresholds_job
from autotag.defs.resources.runtime import AutotagRuntime

INTERVAL_S = 300
"""Also the longest that a decision waits to be learned from; people decide many times in that time, which is one fit."""


@dg.sensor(
    job=thresholds_job, minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING
)
def tag_threshold_sensor(
    context: dg.SensorEvaluationContext, runtime: AutotagRuntime
) -> dg.RunRequest | dg.SkipReason:
    """Asks for one fit a state of model, index, labels and decisions; never where no target precision is set."""
    from autotag.pipeline.fit_thresholds import state_to_fit
    from autotag.pipeline.plan import plan_of

    del context
    settings = runtime.settings
    if not settings.thresholds.target_precision:
        return dg.SkipReason("[thresholds] target_precision is 0: the fixed thresholds hold")
    state = state_to_fit(plan_of(settings), settings)
    if not state:
        return dg.SkipReason("the thresholds are up to date, or there is no reference index to fit them to")
    return dg.RunRequest(run_key=state)
