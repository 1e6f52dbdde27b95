"""One command's session: settings, Dagster instance, and runs of the assets a verb stands for."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from autotag.domain.identity import folder_key
from autotag.errors import AutotagError, MissingInputError, PermanentError, UnwritableRootError, UsageError
from autotag.settings import CONFIG_VARIABLE, Settings, dagster_home, export
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of

if TYPE_CHECKING:
    from dagster import DagsterInstance

SUMMED = ("in", "out", "rejected", "duplicates", "ignored", "regions", "resumed units")
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


@dataclass(frozen=True, slots=True)
class Materialised:
    """What one asset told about its materialisation: its name and plain metadata."""

    asset: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb's run came to.

    Attributes:
        run_id: Dagster's name of the run.
        materialised: one entry an asset, in order.
        checks: asset check name -> (passed, facts).
    """

    run_id: str
    materialised: list[Materialised]
    checks: dict[str, tuple[bool, dict[str, Any]]]


class Session:
    """Settings and the instance they name."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self.settings = settings
        self.layout = layout

    @classmethod
    def open(cls, config: Path | None) -> "Session":
        """Read the settings and make their Dagster home, so that the UI sees what the command does.

        Raises:
            SettingsError: the settings file.
            UnwritableRootError: no Dagster home can be made.
        """
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
        from autotag.domain.identity import parse_shard_range, shard_name

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
        folder: UPath = self.layout.target / relative.as_posix()
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
        """Run a job's assets here, over one partition or a range of them, on the shared instance.

        Raises:
            PermanentError: the run failed; the message is the failing step's own.
        """
        import dagster as dg

        from autotag.definitions import defs

        tags = {"autotag/verb": ", ".join(assets)}
        if len(partitions) > 1:
            tags |= {RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[-1]}
        run_config = {**(config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with _instance() as instance:
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


def _instance() -> "DagsterInstance":
    from dagster import DagsterInstance

    return DagsterInstance.get()


def _failure(result: Any) -> AutotagError:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data
            if told is not None and told.description:
                return PermanentError(told.description)
            return PermanentError(f"{event.step_key}: {data.error_display_string}")
    failures = [event.message for event in result.all_events if event.is_failure]
    return PermanentError("\n".join(failures) or f"run {result.run_id} failed; look at it in the UI (autotag up)")


def _outcome(result: Any) -> Outcome:
    facts: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        name = event.asset_key.to_user_string()
        facts[name] = _summed(facts.get(name), _plain(event.materialization.metadata))
    materialised = [Materialised(name, told) for name, told in facts.items()]
    checks = {
        evaluation.check_name: (evaluation.passed, _plain(evaluation.metadata))
        for evaluation in result.get_asset_check_evaluations()
    }
    return Outcome(result.run_id, materialised, checks)


def _summed(before: dict[str, Any] | None, facts: dict[str, Any]) -> dict[str, Any]:
    """The partitions of one asset as one: counts add up, the wall time is the run's own."""
    if before is None:
        return facts
    total = {**before, **facts}
    for name in SUMMED:
        if name in before and name in facts:
            total[name] = before[name] + facts[name]
    if total.get("seconds"):
        total["images_per_s"] = round(total["out"] / total["seconds"], 2)
    if "notes" in before and "notes" in facts:
        total["notes"] = f"{before['notes']}\n{facts['notes']}"
    return total


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in metadata.items()}
