"""One command's session: settings, Dagster instance, and runs of the assets a verb stands for."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotag import errors
from autotag.domain.identity import folder_key, parse_shard_range, shard_name
from autotag.errors import MissingInputError, PermanentError, SettingsError, UnwritableRootError, UsageError
from autotag.settings import CONFIG_VARIABLE, Settings, dagster_home, export

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult
    from upath import UPath

    from autotag.storage.layout import Layout

SUMMED = ("in", "out", "rejected", "duplicates", "ignored", "regions", "resumed units")
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True, slots=True)
class Materialised:
    """What one asset told about its materialisation: its name and plain metadata."""

    asset: str
    facts: dict[str, Any]


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


class Session:
    """Settings and the instance they name."""

    def __init__(self, settings: Settings, layout: "Layout") -> None:
        self.settings = settings
        self.layout = layout

    @property
    def log(self) -> Path:
        """Where libraries' chatter goes while a command runs."""
        return Path(dagster_home(self.settings, str(self.layout.data))) / "logs" / "autotag.log"

    @classmethod
    def open(cls, config: Path | None) -> "Session":
        """Read the settings and make their Dagster home, so that the UI sees what the command does.

        Raises:
            SettingsError: the settings file.
            UnwritableRootError: no Dagster home can be made.
        """
        from autotag.storage.roots import layout_of
        from autotag.storage.without_pandas import leave_pandas_alone

        leave_pandas_alone()
        settings = Settings.load(config)
        if settings.file:
            export(CONFIG_VARIABLE, str(settings.file))
        layout = layout_of(settings)
        home = Path(dagster_home(settings, str(layout.data)))
        try:
            home.mkdir(parents=True, exist_ok=True)
            if not (home / "dagster.yaml").exists():
                shutil.copy(Path(__file__).parent.parent / "defs" / "instance.yaml", home / "dagster.yaml")
        except OSError as error:
            raise UnwritableRootError(
                f"{home}: cannot be written ({error.strerror}); set [paths] data or DAGSTER_HOME to a place that can"
            ) from error
        export("DAGSTER_HOME", str(home))
        return cls(settings, layout)

    def shards(self, given: str | None) -> list[str]:
        """Names of a shard range; all of the settings' without one.

        Raises:
            UsageError: not a range, or outside the settings' partitions.
        """
        source = self.settings.source
        every = [shard_name(number) for number in range(source.first_shard, source.last_shard + 1)]
        wanted = parse_shard_range(given) if given else every
        if not set(wanted) <= set(every):
            raise UsageError(
                f"--shards {given}: the settings' partitions are {every[0]}..{every[-1]};"
                " change [source] first_shard and last_shard"
            )
        return wanted

    def folder(self, path: str) -> str:
        """Partition key of a folder below the target root, registered with Dagster.

        Raises:
            UsageError: a path that leaves the root.
            MissingInputError: no such folder.
        """
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise UsageError(f"--folder {path}: give the folder's path below {self.layout.target}")
        folder = self.layout.target / relative.as_posix()
        if not folder.is_dir():
            raise MissingInputError(f"{folder} is not there; --folder is a path below {self.layout.target}")
        key = folder_key(relative.as_posix())
        with _instance() as instance:
            if key not in instance.get_dynamic_partitions("target_folders"):
                instance.add_dynamic_partitions("target_folders", [key])
        return key

    def materialise(
        self,
        job: str,
        assets: Sequence[str],
        partitions: Sequence[str] = (),
        config: dict[str, Any] | None = None,
    ) -> Outcome:
        """Run a job's assets and their checks here, over one partition or a range of them, on the shared instance.

        Raises:
            InUseError: another process works on one of the partitions, or on the index.
            PermanentError: the run failed; the message is the failing step's own.
            KeyboardInterrupt: it was interrupted; the run is recorded as cancelled.
        """
        import dagster as dg

        from autotag.definitions import defs
        from autotag.defs.shard_changes import shard_observations
        from autotag.storage.locks import refuse_held

        for lock, what in self._locks(job, partitions):
            refuse_held(lock, what)
        tags = {"autotag/verb": ", ".join(assets)}
        if len(partitions) > 1:
            tags |= {RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[-1]}
        run_config = {
            **(config or {}),
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "resources": {"runtime": {"config": {"config": str(self.settings.file or "")}}},
        }
        with _instance() as instance:
            if job == "source_job":
                # First: what is made from a shard is recorded as made from the version that is known by then.
                for seen in shard_observations(instance, self.layout, partitions):
                    instance.report_runless_asset_event(seen)
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in assets],
                partition_key=partitions[0] if len(partitions) == 1 else None,
                tags=tags,
                run_config=run_config,
                raise_on_error=False,
            )
        if not result.success:
            raise _failure(result)
        return _outcome(result)

    def _locks(self, job: str, partitions: Sequence[str]) -> "Iterator[tuple[UPath, str]]":
        """What the job's steps will hold, and how it is called; they take it themselves."""
        from autotag.pipeline.plan import plan_of

        if job == "process_target_job":
            for key in partitions:
                yield self.layout.folder_tables(key).lock, f"folder {key}"
            return
        model_id = plan_of(self.settings).model_id
        if job == "index_job":
            yield self.layout.index_lock(model_id), f"the reference index of {model_id}"
        for shard in partitions:
            yield self.layout.source(model_id).lock(shard), f"shard {shard}"


def _instance() -> "DagsterInstance":
    from dagster import DagsterInstance

    return DagsterInstance.get()


def _failure(result: "ExecuteInProcessResult") -> BaseException:
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


def _outcome(result: "ExecuteInProcessResult") -> Outcome:
    facts: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        name = event.asset_key.to_user_string() if event.asset_key else ""
        facts[name] = _summed(facts.get(name), _plain(event.materialization.metadata))
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
    return Outcome(result.run_id, [Materialised(name, told) for name, told in facts.items()], checks)


def _summed(before: dict[str, Any] | None, facts: dict[str, Any]) -> dict[str, Any]:
    """The partitions of one asset as one: counts add up, time and rate are the run's own."""
    if before is None:
        return facts
    total = {**before, **facts}
    for name in SUMMED:
        if name in before and name in facts:
            total[name] = before[name] + facts[name]
    notes = [each["notes"] for each in (before, facts) if "notes" in each]
    return {**total, "notes": "\n".join(notes)} if notes else total


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in metadata.items()}
