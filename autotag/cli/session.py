"""One command's session: settings, Dagster instance, and runs of the assets a verb stands for."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotag.cli.run_outcome import Outcome, failure_of, outcome_of
from autotag.domain.identity import folder_key, parse_shard_range, shard_name
from autotag.errors import MissingInputError, UnwritableRootError, UsageError
from autotag.settings import CONFIG_VARIABLE, DEFAULT_FILE, Settings, dagster_home, export

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from upath import UPath

    from autotag.storage.layout import Layout
    from autotag.storage.locks import Lock

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
SHARDS_SHOWN = 100
"""Fewer changed shards are told to Dagster before a bar of progress would be read."""


FOLDER_JOBS = frozenset({"process_target_job", "review_job", "sidecars_job"})
"""Jobs whose partitions are target folders."""


class Session:
    """Settings and the instance they name.

    Attributes:
        settings: with the overrides over file and environment.
        layout: every path.
        config: the settings file that was named.
        overrides: values that the command line gave, by key of the settings.
        root: the plain directory whose folders are worked on; None where they are those of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        layout: "Layout",
        config: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
        root: Path | None = None,
    ) -> None:
        self.settings = settings
        self.layout = layout
        self.config = config
        self.overrides = dict(overrides or {})
        self.root = root
        self._instance: DagsterInstance | None = None

    @property
    def home(self) -> Path:
        """Dagster's home."""
        return Path(dagster_home(self.settings, str(self.layout.data)))

    @property
    def log(self) -> Path:
        """Where libraries' chatter goes while a command runs."""
        return self.home / "autotag.log"

    @classmethod
    def open(
        cls,
        config: Path | None,
        overrides: Mapping[str, Any] | None = None,
        root: Path | None = None,
    ) -> "Session":
        """Read the settings; nothing is written. Where neither file nor root is given, standard error says what holds.

        Raises:
            SettingsError: the settings file, or an override.
        """
        from autotag.storage.roots import layout_of
        from autotag.storage.without_pandas import leave_pandas_alone

        leave_pandas_alone()
        settings = Settings.load(config, overrides)
        layout = layout_of(settings)
        if settings.file:
            export(CONFIG_VARIABLE, str(settings.file))
        elif root is None:
            sys.stderr.write(
                f"no settings file ({DEFAULT_FILE}) in {Path.cwd()}: the defaults hold, the data root is {layout.data}\n"
            )
        return cls(settings, layout, config, overrides, root)

    def make_home(self) -> None:
        """Make Dagster's home, so that the UI sees what the command does.

        Raises:
            UnwritableRootError: it cannot be made.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if not (self.home / "dagster.yaml").exists():
                shutil.copy(
                    Path(__file__).parent.parent / "defs" / "instance.yaml", self.home / "dagster.yaml"
                )
        except OSError as error:
            raise UnwritableRootError(
                f"{self.home}: cannot be written ({error.strerror}); set [paths] data or DAGSTER_HOME to a place that can"
            ) from error
        export("DAGSTER_HOME", str(self.home))

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

    @property
    def top(self) -> "Path | UPath":
        """What paths of folders start from: the plain directory where there is one, else the target root."""
        return self.root or self.layout.target

    def folder(self, path: str) -> str:
        """As `folder_key`, of a folder that is there.

        Raises:
            UsageError: a path that leaves the root.
            MissingInputError: no such folder.
        """
        key = self.folder_key(path)
        folder = self.layout.folder(key)
        if not folder.is_dir():
            raise MissingInputError(f"{folder} is not there; --folder is a path below {self.top}")
        return key

    def folder_key(self, path: str) -> str:
        """Partition key of a folder below the target root; below the plain directory where there is one, itself as `.`.

        Raises:
            UsageError: a path that leaves the root.
        """
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts or not (relative.parts or self.root):
            raise UsageError(f"--folder {path}: give the folder's path below {self.top}")
        return folder_key((Path(self.root.name) / relative if self.root else relative).as_posix())

    def refuse_held(self, job: str, partitions: Sequence[str]) -> None:
        """Look at the locks of what the job works on.

        Raises:
            InUseError: another process works on one of the partitions, or on the index.
        """
        from autotag.storage.locks import refuse_held

        for lock in self._locks(job, partitions):
            refuse_held(lock)

    @contextmanager
    def keeping_instance(self) -> "Iterator[None]":
        """The runs inside the block share one opened instance."""
        with _open_instance() as self._instance:
            try:
                yield
            finally:
                self._instance = None

    def materialise(
        self,
        job: str,
        assets: Sequence[str],
        partitions: Sequence[str] = (),
        config: dict[str, Any] | None = None,
    ) -> Outcome:
        """Run a job's assets and their checks here, over one partition or a range of them, on the shared instance.

        Raises:
            PermanentError: the run failed; the message is the failing step's own.
            KeyboardInterrupt: it was interrupted; the run is recorded as cancelled.
        """
        outcome, failure = self.attempt(job, assets, partitions, config)
        if failure is not None:
            raise failure
        return outcome

    def attempt(
        self,
        job: str,
        assets: Sequence[str],
        partitions: Sequence[str] = (),
        config: dict[str, Any] | None = None,
    ) -> tuple[Outcome, BaseException | None]:
        """As `materialise`, but what failed is returned, with what was made in spite of it."""
        import dagster as dg

        from autotag.definitions import defs

        tags = {"autotag/verb": ", ".join(assets)}
        if len(partitions) > 1:
            tags |= {RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[-1]}
        run_config = {
            **(config or {}),
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "resources": {"runtime": {"config": self._runtime()}},
        }
        with nullcontext(self._instance) if self._instance else _open_instance() as instance:
            if job == "source_job":
                self._observe(instance, partitions)
            elif job in FOLDER_JOBS:
                _register(instance, partitions)
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in assets],
                partition_key=partitions[0] if len(partitions) == 1 else None,
                tags=tags,
                run_config=run_config,
                raise_on_error=False,
            )
        return outcome_of(result), None if result.success else failure_of(result)

    def _runtime(self) -> dict[str, Any]:
        """Where the run's settings come from."""
        return {"config": str(self.settings.file or ""), "overrides": self.overrides}

    def _observe(self, instance: "DagsterInstance", shards: Sequence[str]) -> None:
        """Tell Dagster which of the shards changed, before anything is made from them.

        All of them, though thousands take minutes: what is made from a shard is recorded as made from the version
        that is known by then. Of a shard left out, a later change would not show, or what was just made would.
        """
        from autotag.defs.shard_sensor import shard_observations
        from autotag.domain.counts import StepCounts
        from autotag.pipeline.progress import StepProgress

        changed = shard_observations(instance, self.layout, shards)
        progress = StepProgress("source_shards", len(changed), []) if len(changed) >= SHARDS_SHOWN else None
        for seen in changed:
            instance.report_runless_asset_event(seen)
            if progress:
                progress.unit_done(str(seen.partition), StepCounts(taken=1, made=1))
        if progress:
            progress.close(StepCounts(taken=len(changed), made=len(changed)))

    def _locks(self, job: str, partitions: Sequence[str]) -> "Iterator[Lock]":
        """What the job's steps will hold; they take it themselves."""
        from autotag.pipeline.plan import plan_of
        from autotag.storage.locks import folder_lock, index_lock, shard_lock, thresholds_lock

        if job in FOLDER_JOBS:
            for key in partitions:
                yield folder_lock(self.layout, key)
            return
        model_id = plan_of(self.settings).model_id
        if job == "index_job":
            yield index_lock(self.layout, model_id)
        if job == "thresholds_job":
            yield thresholds_lock(self.layout, model_id)
        for shard in partitions:
            yield shard_lock(self.layout, model_id, shard)


def _register(instance: "DagsterInstance", folders: Sequence[str]) -> None:
    known = instance.get_dynamic_partitions("target_folders")
    if new := [key for key in folders if key not in known]:
        instance.add_dynamic_partitions("target_folders", new)


def _open_instance() -> "DagsterInstance":
    from dagster import DagsterInstance

    return DagsterInstance.get()
