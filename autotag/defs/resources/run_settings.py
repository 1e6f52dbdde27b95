"""The settings of a run: recorded by its first step; read back by its other steps, wherever they run, and by retries.

The record is `runs/<run id>/config.json`; where it lies is a tag of the run, since `[paths]` may be edited too.
An automatic retry goes on with the record of the run it retries; a re-execution by hand is what somebody does after
mending a setting, and reads the settings anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from autotag.errors import MissingInputError, SettingsError
from autotag.settings import Settings

RECORD_TAG = "autotag/settings"
RETRY_NUMBER_TAG = "dagster/retry_number"
"""Of a run that Dagster started by itself because the one before it died."""

KEYS_NAMED = 5


@dataclass(frozen=True)
class RunSettings:
    """What the steps of a run share.

    Attributes:
        run_id: the run's own, or that of the run which it retries.
        settings: as they were when the run began.
        model_id: what they stood for then.
        notice: one line where the settings file says something else by now; else empty.
    """

    run_id: str
    settings: Settings
    model_id: str
    notice: str


def settings_of_run(
    run: dg.DagsterRun, instance: dg.DagsterInstance, config: str, overrides: Mapping[str, Any] | None = None
) -> RunSettings:
    """Read the run's record; the first to ask for it writes it, from the settings file as it is now.

    Args:
        run: the run.
        instance: where its tags are.
        config: the settings file; empty for the usual one.
        overrides: values over file and environment, by key.

    Raises:
        SettingsError: the settings file, or a record that is damaged or of another release.
        MissingInputError: the record, or a weight file, is gone.
        UnwritableRootError: no record can be written.
    """
    run_id, place = _began(run, instance)
    if not place:
        place, text = _record(run_id, config, overrides)
        instance.add_run_tags(run_id, {RECORD_TAG: place})
    else:
        text = _recorded(place, run_id)
    try:
        facts: dict[str, Any] = json.loads(text)
        settings, model_id = Settings.from_record(facts), str(facts["model_id"])
    except (ValueError, KeyError) as error:
        raise SettingsError(
            f"{place}: no settings that this release can read ({error}); start a new run instead of {run_id}"
        ) from error
    return RunSettings(run_id, settings, model_id, _notice(settings, config, overrides, place))


def _began(run: dg.DagsterRun, instance: dg.DagsterInstance) -> tuple[str, str]:
    """The run that this one retries, or itself, and where its record is; "" where it has none yet."""
    while RETRY_NUMBER_TAG in run.tags and run.parent_run_id:
        parent = instance.get_run_by_id(run.parent_run_id)
        if parent is None:
            break
        run = parent
    # As it is now: another step may have recorded the settings since this one was handed the run.
    run = instance.get_run_by_id(run.run_id) or run
    place = run.tags.get(RECORD_TAG, "")
    # A run that was executed again by hand has copies of its parent's tags.
    return run.run_id, place if run.run_id in place else ""


def _record(run_id: str, config: str, overrides: Mapping[str, Any] | None) -> tuple[str, str]:
    """Where the record is and what it holds, which another process may have written a moment ago."""
    from autotag.pipeline.plan import plan_of
    from autotag.storage.run_records import write_once

    settings = Settings.load(config or None, overrides)
    plan = plan_of(settings)
    facts = {"model_id": plan.model_id, **settings.as_record()}
    place = plan.layout.run_config(run_id)
    return str(place), write_once(place, json.dumps(facts, indent=2, sort_keys=True))


def _recorded(place: str, run_id: str) -> str:
    from upath import UPath

    try:
        return UPath(place).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{place} is not there, which holds the settings of run {run_id}; start a new run instead"
        ) from error


def _notice(settings: Settings, config: str, overrides: Mapping[str, Any] | None, place: str) -> str:
    try:
        changed = settings.changed_keys(Settings.load(config or None, overrides))
    except SettingsError as error:
        what = f"The settings cannot be used as they are now ({error})"
    else:
        if not changed:
            return ""
        more = f" and {len(changed) - KEYS_NAMED} more" if len(changed) > KEYS_NAMED else ""
        what = f"Settings have changed since the run began: {', '.join(changed[:KEYS_NAMED])}{more}"
    return f"{what}; this run goes on with those of {place}, a new run takes the new ones"
