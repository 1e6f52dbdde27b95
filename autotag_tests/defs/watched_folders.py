"""The folder sensor, ticked as the daemon does, and folders for it to find."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from autotag.defs.folder_sensor import target_folder_sensor
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.pipeline.plan import PipelinePlan

LONG_AGO_S = 1_000_000_000
RUN_KEY, PARTITION = "dagster/run_key", "dagster/partition"
SUCCESS, FAILURE = dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE


class Sensor:
    """Ticks the sensor as the daemon does: the requests on partitions are carried out, the cursor is kept.

    Runs are recorded as started, one a run key, ever; `end` ends them.
    """

    def __init__(self, settings_file: Path, instance: dg.DagsterInstance) -> None:
        from autotag.definitions import defs

        self._repository = defs.get_repository_def()
        self._runtime = AutotagRuntime(config=str(settings_file))
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            self.instance, self.cursor, repository_def=self._repository, resources={"runtime": self._runtime}
        ) as context:
            result = target_folder_sensor(context)
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions("target_folders", list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition("target_folders", key)
        self.cursor = result.cursor
        return result

    def requested(self) -> list[str]:
        """Folders for which a run starts: none for a run key that there was a run of before."""
        new = [
            each for each in self.tick().run_requests or [] if not self._runs({RUN_KEY: str(each.run_key)})
        ]
        job = process_target()
        for request in new:
            tags = {**request.tags, PARTITION: str(request.partition_key), RUN_KEY: str(request.run_key)}
            self.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        return sorted(str(request.partition_key) for request in new)

    def end(self, key: str, event: dg.DagsterEventType) -> None:
        """The folder's latest run ends."""
        (run, *_) = self._runs({PARTITION: key})
        self.instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)

    def execute(self) -> dg.ExecuteInProcessResult:
        """The one run that is asked for, done for real."""
        (request,) = self.tick().run_requests or []
        return process_target().execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            tags={**request.tags, RUN_KEY: str(request.run_key)},
            run_config={
                "resources": {"runtime": {"config": {"config": self._runtime.config}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )

    def _runs(self, tags: dict[str, str]) -> Sequence[dg.DagsterRun]:
        return self.instance.get_runs(dg.RunsFilter(tags=tags))

    @property
    def place(self) -> str:
        """Where the next look goes on."""
        return json.loads(self.cursor or "")["next_path"]

    @property
    def partitions(self) -> set[str]:
        return set(self.instance.get_dynamic_partitions("target_folders"))


@dataclass
class Clock:
    now_s: float

    def __call__(self) -> float:
        return self.now_s


def release(plan: PipelinePlan, model_id: str) -> Path:
    pointer = Path((plan.layout.reference / model_id / "CURRENT").path)
    pointer.parent.mkdir(parents=True)
    pointer.write_text("20260101T000000Z-00000000")
    return pointer


def process_target() -> dg.JobDefinition:
    from autotag.definitions import defs

    return defs.resolve_job_def("process_target_job")


def still(folder: Path, changed_s: float = LONG_AGO_S) -> Path:
    """Date the folder and its files back."""
    for path in [*folder.iterdir(), folder]:
        os.utime(path, (changed_s, changed_s))
    return folder


def reason(result: dg.SensorResult) -> str:
    return result.skip_reason.skip_message or "" if result.skip_reason else ""
