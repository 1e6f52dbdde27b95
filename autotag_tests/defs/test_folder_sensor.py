"""The folder sensor on a real instance of Dagster: folders on disk in, partitions and run requests out."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs import folder_sensor, materialized
from autotag.defs.folder_sensor import target_folder_sensor
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.identity import folder_key
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage import locks
from autotag.storage.locks import folder_lock, held
from autotag_tests.conftest import SETTINGS_TOML, Folders, picture
from autotag_tests.pipeline.target_steps import write_tags

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

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


@pytest.fixture
def sensor(settings_file: Path) -> Iterator[Sensor]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(settings_file, instance)


@pytest.fixture
def index(plan: PipelinePlan) -> None:
    """What the sensor takes for a released reference index."""
    release(plan, plan.model_id)


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


def test_a_new_quiet_folder_becomes_a_partition_and_one_run(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    assert sensor.partitions == {"birds"}


def test_a_folder_that_is_not_quiet_is_registered_but_not_run(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folder = folders.simple("birds")
    result = sensor.tick()
    assert sensor.partitions == {"birds"}
    assert not result.run_requests
    assert "1 not quiet yet" in reason(result)
    still(folder)
    assert sensor.requested() == ["birds"]


def test_the_same_state_asks_with_the_same_run_key_and_a_change_with_another(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folder = still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    (again,) = sensor.tick().run_requests or []
    (folder / "new.png").write_bytes(picture(9))
    still(folder, LONG_AGO_S + 60)
    (changed,) = sensor.tick().run_requests or []
    assert first.run_key == again.run_key != changed.run_key


def test_a_change_that_is_undone_is_still_a_change(sensor: Sensor, folders: Folders, index: None) -> None:
    folder = still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    (folder / "new.png").write_bytes(picture(9))
    (folder / "new.png").unlink()
    os.utime(folder, (LONG_AGO_S + 60, LONG_AGO_S + 60))
    (later,) = sensor.tick().run_requests or []
    assert first.run_key != later.run_key


def test_a_processed_folder_asks_for_nothing_until_it_changes(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    folder = still(folders.simple("birds"))
    list_target_images(plan, "birds")
    assert sensor.requested() == ["birds"]
    write_tags(plan, "birds", plan.model_id)
    assert sensor.requested() == []
    (folder / "p000.png").write_bytes(picture(77))
    still(folder, LONG_AGO_S + 60)
    assert sensor.requested() == ["birds"]


def test_tags_older_than_the_manifest_are_no_answer(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    tags = write_tags(plan, "birds", plan.model_id)
    os.utime(tags, (LONG_AGO_S, LONG_AGO_S))
    assert sensor.requested() == ["birds"]


def test_tags_of_another_model_are_made_again(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    sensor.end("birds", SUCCESS)
    assert sensor.requested() == []
    write_tags(plan, "birds", "another+model")
    assert sensor.requested() == ["birds"]


def test_going_back_to_the_models_before_makes_the_tags_once_more(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    others_toml = SETTINGS_TOML.replace('detector = "fake"', 'detector = "whole"')
    settings_file.write_text(others_toml)
    others = plan_of(Settings.load(settings_file))
    release(others, others.model_id)
    for text, used in ((SETTINGS_TOML, plan), (others_toml, others)) * 2:
        settings_file.write_text(text)
        assert sensor.requested() == ["birds"]
        list_target_images(used, "birds")
        write_tags(used, "birds", used.model_id)
        sensor.end("birds", SUCCESS)
        assert sensor.requested() == []


def test_results_that_were_deleted_are_made_again_each_time(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    for _ in range(3):
        assert sensor.requested() == ["birds"]
        list_target_images(plan, "birds")
        write_tags(plan, "birds", plan.model_id)
        sensor.end("birds", SUCCESS)
        assert sensor.requested() == []
        shutil.rmtree(plan.layout.folder_tables("birds").root.path)


def test_a_run_that_changed_no_results_is_not_repeated(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", "another+model")
    assert sensor.requested() == ["birds"]
    sensor.end("birds", SUCCESS)
    assert sensor.requested() == []


def test_a_run_that_failed_is_asked_for_again_twice_after_growing_pauses(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    for pause_s in (300.0, 1800.0):
        assert "1 queued or running" in reason(sensor.tick())
        sensor.end("birds", FAILURE)
        ended_s = time.time()
        assert "1 failed and tried again later" in reason(sensor.tick())
        with monkeypatch.context() as later:
            later.setattr(folder_sensor.time, "time", Clock(ended_s + pause_s - 10))
            assert sensor.requested() == []
            later.setattr(folder_sensor.time, "time", Clock(ended_s + pause_s + 10))
            assert sensor.requested() == ["birds"]
    sensor.end("birds", FAILURE)
    with monkeypatch.context() as later:
        later.setattr(folder_sensor.time, "time", Clock(time.time() + 10**6))
        assert "1 failed or cancelled and left" in reason(sensor.tick())
        (folder / "new.png").write_bytes(picture(9))
        still(folder, LONG_AGO_S + 60)
        assert sensor.requested() == ["birds"]


def test_dagsters_own_retries_of_a_run_that_died_are_one_request(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    sensor.end("birds", FAILURE)
    (died,) = sensor.instance.get_runs()
    for number in ("1", "2"):
        tags = {**died.tags, "dagster/retry_number": number}
        sensor.instance.create_run_for_job(process_target(), status=dg.DagsterRunStatus.STARTED, tags=tags)
        assert "1 queued or running" in reason(sensor.tick())
        sensor.end("birds", FAILURE)
    monkeypatch.setattr(folder_sensor.time, "time", Clock(time.time() + 310))
    assert sensor.requested() == ["birds"]


def test_a_run_that_a_person_cancelled_is_not_asked_for_again(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(folders.simple("birds"))
    assert sensor.requested() == ["birds"]
    sensor.end("birds", dg.DagsterEventType.RUN_CANCELED)
    monkeypatch.setattr(folder_sensor.time, "time", Clock(time.time() + 10**6))
    assert "1 failed or cancelled and left" in reason(sensor.tick())


def test_a_run_that_was_recorded_but_never_started_is_asked_for_with_its_own_key(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    """Dagster's daemon starts it then."""
    still(folders.simple("birds"))
    (request,) = sensor.tick().run_requests or []
    tags = {**request.tags, RUN_KEY: str(request.run_key)}
    sensor.instance.create_run_for_job(process_target(), status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    (again,) = sensor.tick().run_requests or []
    assert again.run_key == request.run_key


def test_a_folder_that_was_in_use_is_asked_for_again_and_a_permanent_failure_is_not(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs: the first finds the folder locked, the second an index whose files are missing."""
    monkeypatch.setattr(materialized, "IN_USE_WAIT_S", 0.0)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    still(folders.simple("birds"))
    monkeypatch.setattr(locks, "is_held", lambda lock: False)  # it is taken after the look
    with held(folder_lock(plan.layout, "birds")):
        assert not sensor.execute().success
    monkeypatch.setattr(folder_sensor.time, "time", Clock(time.time() + 400))
    assert not sensor.execute().success
    monkeypatch.setattr(folder_sensor.time, "time", Clock(time.time() + 10**6))
    for _ in range(2):
        assert "1 failed or cancelled and left" in reason(sensor.tick())
    second, first = sensor.instance.get_runs()
    assert second.tags["autotag/permanent_failure"] == second.run_id
    assert "autotag/permanent_failure" not in first.tags


def test_a_lock_or_results_that_cannot_be_looked_at_do_not_end_the_look_at_other_folders(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    plan.layout.folder_tables("a").lock.mkdir(parents=True)
    evidence = Path(plan.layout.folder_tables("b").evidence.path)
    evidence.parent.mkdir(parents=True)
    evidence.symlink_to(evidence)
    assert sensor.requested() == ["a", "c"]
    assert sensor.partitions == {"a", "c"}
    assert "1 unreadable, such as b: " in reason(sensor.tick())


def test_new_settings_of_the_models_ask_for_runs_of_folders_that_are_tagged(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    (first,) = sensor.tick().run_requests or []
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    assert sensor.requested() == []
    settings_file.write_text(SETTINGS_TOML.replace('detector = "fake"', 'detector = "whole"'))
    changed = plan_of(Settings.load(settings_file))
    release(changed, changed.model_id)
    (later,) = sensor.tick().run_requests or []
    assert later.partition_key == "birds"
    assert later.run_key != first.run_key


def test_tags_count_as_done_while_the_models_of_the_settings_cannot_be_named(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, settings_file: Path
) -> None:
    still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    still(folders.simple("cats"))
    settings_file.write_text(SETTINGS_TOML.replace('detector = "fake"', 'detector = "yolo:no-such.pt"'))
    result = sensor.tick()
    assert not result.run_requests
    assert "1 to be tagged, but" in reason(result)
    assert "no-such.pt" in reason(result)


def test_a_change_dated_in_the_future_is_quiet_when_it_stayed_the_same(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders.simple("birds")
    clock = Clock(LONG_AGO_S)
    monkeypatch.setattr(folder_sensor.time, "time", clock)
    still(folder, LONG_AGO_S + 10**7)
    assert sensor.requested() == []
    clock.now_s += 10
    (folder / "p000.png").write_bytes(picture(99))
    still(folder, LONG_AGO_S + 10**7 + 1)
    assert sensor.requested() == []  # still being written: the time begins anew
    clock.now_s += 14.9
    assert sensor.requested() == []
    clock.now_s += 0.2
    assert sensor.requested() == ["birds"]


def test_only_folders_that_changed_in_the_future_and_are_not_done_are_remembered(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_day_s = time.time() + 86_400
    for name in ("a", "b", "c", "d"):
        still(folders.simple(name, 1), LONG_AGO_S if name == "a" else in_a_day_s)
    list_target_images(plan, "b")
    write_tags(plan, "b", plan.model_id)
    sensor.tick()
    assert set(json.loads(str(sensor.cursor))["ahead"]) == {"c", "d"}
    shutil.rmtree(folders.data / "target" / "d")
    sensor.tick()
    assert set(json.loads(str(sensor.cursor))["ahead"]) == {"c"}
    monkeypatch.setattr(folder_sensor, "MAX_REMEMBERED", 0)
    sensor.tick()
    assert json.loads(str(sensor.cursor))["ahead"] == {}


@pytest.mark.parametrize(
    "cursor", ["birds/day 1", "{", "[]", '{"ahead": 1}', '{"next_path": "", "ahead": {"a": 1}}']
)
def test_a_cursor_of_another_release_starts_from_the_beginning(
    sensor: Sensor, folders: Folders, index: None, cursor: str
) -> None:
    still(folders.simple("birds"))
    sensor.cursor = cursor
    assert sensor.requested() == ["birds"]


def test_a_folder_that_is_being_worked_on_is_left_to_that_run(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    still(folders.simple("birds"))
    with held(folder_lock(plan.layout, "birds")):
        result = sensor.tick()
    assert not result.run_requests
    assert "1 being worked on" in reason(result)
    assert sensor.requested() == ["birds"]


def test_a_folder_whose_images_all_went_is_processed_once_more(
    sensor: Sensor, folders: Folders, index: None, plan: PipelinePlan
) -> None:
    folder = still(folders.simple("birds"))
    list_target_images(plan, "birds")
    write_tags(plan, "birds", plan.model_id)
    for file in folder.iterdir():
        file.unlink()
    still(folder, LONG_AGO_S + 60)
    assert sensor.requested() == ["birds"]


def test_a_removed_folder_is_retired(sensor: Sensor, folders: Folders, index: None) -> None:
    still(folders.simple("birds"))
    still(folders.simple("cats"))
    sensor.tick()
    shutil.rmtree(folders.data / "target" / "birds")
    assert sensor.requested() == ["cats"]
    assert sensor.partitions == {"cats"}


def test_nothing_is_retired_while_the_whole_root_is_away(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    still(folders.simple("birds"))
    sensor.tick()
    (folders.data / "target").rename(folders.data / "unmounted")
    assert "is not there" in reason(sensor.tick())
    assert sensor.partitions == {"birds"}


def test_folders_without_images_and_hidden_ones_are_no_partitions(
    sensor: Sensor, folders: Folders, index: None
) -> None:
    folders.make("texts", {"a.txt": b"hello"})
    folders.make("empty", {})
    folders.simple(".hidden")
    sensor.tick()
    assert sensor.partitions == set()


@pytest.mark.parametrize(
    "name",
    [
        "a,b",
        "wait... what",
        "tab\there",
        "line\nbreak",
        "100% [raw]",
        "Ünïcode 写真",
        "trip/day one/käse",
        "a*b?",
    ],
)
def test_any_name_is_a_key_that_dagster_takes_and_leads_back(
    sensor: Sensor, folders: Folders, index: None, name: str
) -> None:
    still(folders.simple(name))
    (request,) = sensor.tick().run_requests or []
    key = str(request.partition_key)
    assert key == folder_key(name)
    dg.StaticPartitionsDefinition([key])  # refuses what a dynamic set takes silently
    assert not set(key) & set(",\n\t*?[]")


def test_nested_folders_are_partitions_of_their_own(sensor: Sensor, folders: Folders, index: None) -> None:
    still(folders.simple("trip"))
    still(folders.simple("trip/day 1"))
    assert sensor.requested() == ["trip/day 1"]  # it touched its parent when it came
    still(folders.data / "target" / "trip")
    assert sensor.requested() == ["trip"]


def test_without_a_reference_index_folders_are_registered_and_the_sensor_says_why_nothing_runs(
    sensor: Sensor, folders: Folders
) -> None:
    still(folders.simple("birds"))
    result = sensor.tick()
    assert sensor.partitions == {"birds"}
    assert not result.run_requests
    assert "1 to be tagged, but there is no reference index of" in reason(result)
    assert "materialise faiss_index" in reason(result)


def test_an_index_of_another_model_does_not_count(
    sensor: Sensor, folders: Folders, plan: PipelinePlan
) -> None:
    release(plan, "another+model")
    still(folders.simple("birds"))
    assert sensor.requested() == []


def test_a_damaged_release_asks_for_no_run_and_is_named(
    sensor: Sensor, folders: Folders, plan: PipelinePlan
) -> None:
    release(plan, plan.model_id).write_text("nonsense")
    still(folders.simple("birds"))
    assert "CURRENT names no version" in reason(sensor.tick())


def test_a_look_that_is_out_of_time_goes_on_where_it_stopped(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"f{number}" for number in range(5)]
    for name in names:
        still(folders.simple(name, 1))
    monkeypatch.setattr(folder_sensor, "TICK_BUDGET_S", -1.0)
    for name in names:
        assert sensor.requested() == [name]
    assert sensor.place == ""
    assert sensor.partitions == set(names)
    sensor.tick()
    assert sensor.place == "f0"


def test_a_partial_look_retires_nothing_it_did_not_reach(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    sensor.tick()
    monkeypatch.setattr(folder_sensor, "TICK_BUDGET_S", -1.0)
    sensor.tick()
    assert sensor.partitions == {"a", "b", "c"}


def test_more_folders_than_runs_of_a_tick_are_asked_for_in_turn(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_sensor, "MAX_RUNS_A_TICK", 2)
    for name in ("a", "b", "c"):
        still(folders.simple(name, 1))
    assert [sensor.requested(), sensor.requested()] == [["a", "b"], ["c"]]


def test_a_full_set_of_partitions_takes_no_more_and_says_so(
    sensor: Sensor, folders: Folders, index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_sensor, "MAX_PARTITIONS", 1)
    for name in ("a", "b"):
        folders.simple(name, 1)
    assert "1 wait until others are retired" in reason(sensor.tick())
    assert sensor.partitions == {"a"}


@pytest.mark.slow
def test_three_thousand_folders_fit_in_one_tick(sensor: Sensor, folders: Folders, index: None) -> None:
    content = picture()
    for number in range(3000):
        still(folders.make(f"{number // 100:02d}/{number:04d}", {"a.png": content}))
    started = time.process_time()
    sensor.tick()
    while sensor.place:
        sensor.tick()
    assert time.process_time() - started < folder_sensor.TICK_BUDGET_S
    assert len(sensor.partitions) == 3000
