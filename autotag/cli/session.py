"""One command's session: settings, Dagster instance, and runs of the assets a verb stands for."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotag.cli.run_outcome import Outcome, failure_of, outcome_of
from autotag.domain.identity import folder_key, parse_shard_range, shard_name
from autotag.errors import MissingInputError, UnwritableRootError, UsageError
from autotag.settings import CONFIG_VARIABLE, Settings, dagster_home, export

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from upath import UPath

    from autotag.storage.layout import Layout

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


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
            raise failure_of(result)
        return outcome_of(result)

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
