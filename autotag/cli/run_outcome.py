"""What a verb's run came to, read from Dagster's events: figures of its assets and checks, or the failing step's sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from autotag import errors
from autotag.errors import PermanentError, SettingsError, UsageError

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

RESUMED = "resumed units"
SUMMED = ("in", "out", "rejected", "duplicates", "ignored", "regions", RESUMED)
INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True, slots=True)
class Materialised:
    """What one asset told about its materialisation.

    Attributes:
        asset: its name.
        facts: plain metadata, its partitions added up.
        partitions: how many there were.
        rejected_in: those of them that rejected an image, in order.
    """

    asset: str
    facts: dict[str, Any]
    partitions: int = 1
    rejected_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What one asset check found.

    Attributes:
        asset: the asset's name.
        check: the check's name.
        passed: whether all is well.
        is_warning: of a check that did not pass: it measures, and nothing is broken.
        facts: plain metadata.
    """

    asset: str
    check: str
    passed: bool
    is_warning: bool
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb's run came to.

    Attributes:
        run_id: Dagster's name of the run.
        materialised: one entry an asset, in order.
        checks: one entry an asset check, in order.
    """

    run_id: str
    materialised: list[Materialised]
    checks: list[Checked]


def failure_of(result: "ExecuteInProcessResult") -> BaseException:
    """What to raise for a run that failed: the failing step's own sentence."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data
            if told is not None and told.description:
                return _kind(told.metadata)(told.description)
            return _unexpected(event.step_key or "", data.error, result.run_id)
    told = "\n".join(event.message or "" for event in result.all_events if event.is_failure)
    return PermanentError(told or f"run {result.run_id} failed; look at it in the UI (autotag up)")


def _kind(metadata: Mapping[str, Any]) -> type[PermanentError]:
    """Settings and arguments that are wrong have an exit code of their own."""
    from autotag.defs.materialized import ERROR_CLASS

    name = getattr(metadata.get(ERROR_CLASS), "value", "")
    return {kind.__name__: kind for kind in (SettingsError, UsageError)}.get(str(name), PermanentError)


def _unexpected(step: str, error: Any, run_id: str) -> BaseException:
    """An error of ours that retries did not help, as it is; else a bug or the machine, whose trace is in the UI."""
    while error is not None and error.cause is not None and not _is_ours(error):
        error = error.cause
    if error is not None and _is_ours(error):
        return PermanentError((error.message or "").partition(": ")[2].strip())
    if error is None:
        return PermanentError(f"{step} failed in run {run_id}; look at it in the UI (autotag up)")
    if error.cls_name in INTERRUPTIONS:
        return KeyboardInterrupt()
    lines = (error.message or error.cls_name or "").strip().splitlines()
    return PermanentError(
        f"{step}: {lines[0]}\nThe trace is in run {run_id}; look at it in the UI (autotag up)"
    )


def _is_ours(error: Any) -> bool:
    kind = getattr(errors, error.cls_name or "", None)
    return isinstance(kind, type) and issubclass(kind, errors.AutotagError)


def outcome_of(result: "ExecuteInProcessResult") -> Outcome:
    """What a run has made, whatever became of it; the partitions of one asset are added up."""
    told: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for event in result.get_asset_materialization_events():
        partitions = told.setdefault(event.asset_key.to_user_string() if event.asset_key else "", {})
        facts = _plain(event.materialization.metadata)
        partitions.setdefault(event.materialization.partition or "", []).append(facts)
    checks = [
        Checked(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            passed=evaluation.passed,
            is_warning=evaluation.severity.value == "WARN",
            facts=_plain(evaluation.metadata),
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    return Outcome(result.run_id, [_materialised(*each) for each in told.items()], checks)


def _materialised(asset: str, told: Mapping[str, list[dict[str, Any]]]) -> Materialised:
    """One asset, from what each attempt of its step told of each partition, in order.

    Partitions overlap and share an attempt's time; attempts follow one another. The rate of one attempt is not
    the run's, so there is none where there were several.
    """
    counted = {partition: _made_by_this_run(attempts) for partition, attempts in told.items()}
    facts = reduce(_summed, counted.values())
    if "seconds" in facts and any(len(attempts) > 1 for attempts in told.values()):
        spent_s = (sum(each.get("seconds", 0.0) for each in attempts) for attempts in told.values())
        facts = {**facts, "seconds": round(max(spent_s), 2)}
        facts.pop("images_per_s", None)
    rejected_in = tuple(
        partition for partition, each in counted.items() if partition and each.get("rejected")
    )
    return Materialised(asset, facts, len(counted), rejected_in)


def _made_by_this_run(attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """A later attempt finds what an earlier one has made, and calls it resumed."""
    return next((facts for facts in attempts if not facts.get(RESUMED)), attempts[-1])


def _summed(before: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The partitions of one asset as one: counts add up, time and rate are the attempt's own."""
    total = {**before, **facts}
    for name in SUMMED:
        if name in before and name in facts:
            total[name] = before[name] + facts[name]
    notes = [each["notes"] for each in (before, facts) if "notes" in each]
    return {**total, "notes": "\n".join(notes)} if notes else total


def added_up(outcomes: Sequence[Outcome]) -> Outcome:
    """Runs over one folder each, one after another, as one: counts and times add up, all else is each folder's own."""
    if len(outcomes) == 1:
        return outcomes[0]
    told: dict[str, list[Materialised]] = {}
    for entry in (entry for outcome in outcomes for entry in outcome.materialised):
        told.setdefault(entry.asset, []).append(entry)
    checks = [checked for outcome in outcomes for checked in outcome.checks]
    return Outcome("", [_over_folders(asset, entries) for asset, entries in told.items()], checks)


def _over_folders(asset: str, entries: Sequence[Materialised]) -> Materialised:
    facts: dict[str, Any] = {
        name: sum(entry.facts.get(name, 0) for entry in entries)
        for name in (*SUMMED, "reused", "seconds")
        if any(name in entry.facts for entry in entries)
    }
    if facts.get("seconds"):
        facts["seconds"] = round(facts["seconds"], 2)
        facts["images_per_s"] = round(facts.get("out", 0) / facts["seconds"], 2)
    rejected_in = tuple(partition for entry in entries for partition in entry.rejected_in)
    return Materialised(asset, facts, len(entries), rejected_in)


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in metadata.items()}
