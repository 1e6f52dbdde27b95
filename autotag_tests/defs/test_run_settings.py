"""The settings of a run: recorded by its first step, read back by the others and by retries, on a real instance."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import dagster as dg
import pytest

from autotag.defs.resources.run_settings import RECORD_TAG, settings_of_run
from autotag.errors import MissingInputError, SettingsError
from autotag.settings import Settings
from autotag_tests.conftest import SETTINGS_TOML, Archive

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

NO_OBJECTS = SETTINGS_TOML.replace("[regions]", "[regions]\nmax_regions = 0")


def source_job() -> dg.JobDefinition:
    from autotag.definitions import defs

    return defs.resolve_job_def("source_job")


def source_job_in_processes() -> dg.JobDefinition:
    """The same steps, each in a process of its own."""
    from autotag.definitions import defs

    steps = dg.AssetSelection.assets("source_images", "source_embeddings")
    job = dg.define_asset_job("in_processes", steps, executor_def=dg.multiprocess_executor)
    return dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("in_processes")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.create_run_for_job(source_job())


def executed(
    instance: dg.DagsterInstance,
    settings_file: Path,
    retry_of: dg.JobExecutionResult | None = None,
    by_hand: bool = False,
    job: Callable[[], dg.JobDefinition] = source_job,
) -> dg.JobExecutionResult:
    """The source job over one shard; with a run to retry, from where that failed."""
    return dg.execute_job(
        dg.reconstructable(job),
        instance=instance,
        run_config={
            "resources": {"runtime": {"config": {"config": str(settings_file)}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        tags={
            "dagster/partition": "00000",
            **({"dagster/retry_number": "1"} if retry_of and not by_hand else {}),
        },
        reexecution_options=retry_of and dg.ReexecutionOptions.from_failure(retry_of.run_id, instance),
        raise_on_error=False,
    )


def regions(instance: dg.DagsterInstance) -> int:
    """Of the last materialisation of source_embeddings."""
    event = instance.get_latest_materialization_event(dg.AssetKey("source_embeddings"))
    assert event is not None
    assert event.asset_materialization is not None
    return int(str(event.asset_materialization.metadata["regions"].value))


def messages(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.user_message for entry in instance.all_logs(run_id)]


def test_steps_of_a_run_and_its_retry_work_with_the_settings_it_began_with(
    instance: dg.DagsterInstance, settings_file: Path, archive: Archive
) -> None:
    archive.simple("00000")
    original = archive.data / "source" / "tags" / "00000.parquet"
    tags = original.read_bytes()
    original.unlink()
    failed = executed(instance, settings_file)
    assert not failed.success
    original.write_bytes(tags)
    settings_file.write_text(NO_OBJECTS)
    retry = executed(instance, settings_file, retry_of=failed)
    assert retry.success
    with_objects = regions(instance)
    (notice,) = [text for text in messages(instance, retry.run_id) if "Settings have changed" in text]
    assert "regions.max_regions" in notice
    assert f"runs/{failed.run_id}/config.json" in notice
    assert not (archive.data / "runs" / retry.run_id).exists()
    assert executed(instance, settings_file).success
    assert regions(instance) < with_objects


def test_a_run_that_is_executed_again_by_hand_reads_the_settings_anew(
    instance: dg.DagsterInstance, settings_file: Path, archive: Archive
) -> None:
    archive.simple("00000")
    assert executed(instance, settings_file).success
    with_objects = regions(instance)
    original = archive.data / "source" / "tags" / "00000.parquet"
    tags = original.read_bytes()
    original.unlink()
    failed = executed(instance, settings_file)
    original.write_bytes(tags)
    settings_file.write_text(NO_OBJECTS)
    again = executed(instance, settings_file, retry_of=failed, by_hand=True)
    assert again.success
    assert regions(instance) < with_objects
    assert (archive.data / "runs" / again.run_id / "config.json").is_file()


def test_an_edit_between_two_steps_leaves_the_second_with_the_first_ones_settings(
    instance: dg.DagsterInstance, settings_file: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.pipeline.read_source_images import SourceImagesWorker

    work = SourceImagesWorker.__call__

    def work_and_edit(self: SourceImagesWorker, shard: str) -> object:
        settings_file.write_text(NO_OBJECTS)
        return work(self, shard)

    archive.simple("00000")
    monkeypatch.setattr(SourceImagesWorker, "__call__", work_and_edit)
    assert executed(instance, settings_file).success
    assert regions(instance) > 6


@pytest.mark.slow
def test_steps_in_processes_of_their_own_work_with_the_settings_of_the_first(
    tmp_path: Path, settings_file: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit_once_recorded() -> None:
        while not ended.wait(0.02):
            if list((archive.data / "runs").glob("*/config.json")):
                settings_file.write_text(NO_OBJECTS)
                return

    archive.simple("00000")
    monkeypatch.setenv("AUTOTAG_CONFIG", str(settings_file))
    ended = Event()
    editor = Thread(target=edit_once_recorded)
    editor.start()
    try:
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            result = executed(instance, settings_file, job=source_job_in_processes)
            ended.set()
            editor.join()
            assert result.success
            assert settings_file.read_text() == NO_OBJECTS
            assert regions(instance) > 6
            notices = [text for text in messages(instance, result.run_id) if "Settings have changed" in text]
    finally:
        ended.set()
    assert notices
    assert all("regions.max_regions" in notice for notice in notices)


def test_weights_that_changed_since_the_run_began_end_its_retry(
    instance: dg.DagsterInstance, settings_file: Path, archive: Archive
) -> None:
    failed = executed(instance, settings_file)
    record = archive.data / "runs" / failed.run_id / "config.json"
    record.write_text(record.read_text().replace('"model_id": "', '"model_id": "other-'))
    retry = executed(instance, settings_file, retry_of=failed)
    (event,) = [each for each in retry.all_events if each.is_step_failure]
    told = event.step_failure_data.user_failure_data
    assert told is not None
    assert "the weights are now those of" in str(told.description)
    assert told.metadata["error class"].value == "ModelMismatchError"


def test_another_process_reads_back_what_the_first_recorded(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, archive: Archive
) -> None:
    first = settings_of_run(run, instance, str(settings_file))
    path = archive.data / "runs" / run.run_id / "config.json"
    assert json.loads(path.read_text())["model_id"] == first.model_id
    assert first.settings == Settings.load(settings_file)
    assert first.notice == ""
    again = settings_of_run(run, instance, str(settings_file))
    assert again == first


def test_an_edit_of_the_data_root_does_not_lead_away_from_the_record(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, archive: Archive
) -> None:
    first = settings_of_run(run, instance, str(settings_file))
    settings_file.write_text(SETTINGS_TOML.replace("[paths]", '[paths]\ndata = "elsewhere"'))
    again = settings_of_run(run, instance, str(settings_file))
    assert again.settings == first.settings
    assert again.notice.startswith("Settings have changed since the run began: paths.data; ")


def test_the_environment_of_a_later_step_changes_nothing(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = settings_of_run(run, instance, str(settings_file))
    monkeypatch.setenv("AUTOTAG_TAGGING__K", "3")
    again = settings_of_run(run, instance, str(settings_file))
    assert again.settings == first.settings
    assert "tagging.k;" in again.notice


def test_a_settings_file_that_was_broken_since_does_not_stop_the_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path
) -> None:
    first = settings_of_run(run, instance, str(settings_file))
    settings_file.write_text("[tagging\n")
    again = settings_of_run(run, instance, str(settings_file))
    assert again.settings == first.settings
    assert "not valid TOML" in again.notice


def test_of_two_first_steps_the_later_one_takes_the_record_of_the_earlier(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the other's tag; the settings file changes between them."""
    first = settings_of_run(run, instance, str(settings_file))
    assert run.tags.get(RECORD_TAG) is None
    monkeypatch.setattr(instance, "get_run_by_id", lambda _: run)
    settings_file.write_text(NO_OBJECTS)
    again = settings_of_run(run, instance, str(settings_file))
    assert again.settings == first.settings
    assert "regions.max_regions" in again.notice


@pytest.mark.parametrize(
    "text", ["", "{}", '{"model_id": "a", "file": "", "base": "/", "settings": {"x": 1}}']
)
def test_a_record_that_cannot_be_used_is_a_settings_error(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, archive: Archive, text: str
) -> None:
    settings_of_run(run, instance, str(settings_file))
    (archive.data / "runs" / run.run_id / "config.json").write_text(text)
    with pytest.raises(SettingsError, match=rf"config\.json.*start a new run instead of {run.run_id}"):
        settings_of_run(run, instance, str(settings_file))


def test_a_record_that_is_gone_is_named(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path, archive: Archive
) -> None:
    settings_of_run(run, instance, str(settings_file))
    (archive.data / "runs" / run.run_id / "config.json").unlink()
    with pytest.raises(MissingInputError, match=r"config\.json is not there.*start a new run"):
        settings_of_run(run, instance, str(settings_file))


def test_overrides_are_recorded_and_are_no_change_of_settings(
    instance: dg.DagsterInstance, run: dg.DagsterRun, settings_file: Path
) -> None:
    first = settings_of_run(run, instance, str(settings_file), {"labels.topk": 9})
    assert first.settings.labels.topk == 9
    again = settings_of_run(run, instance, str(settings_file), {"labels.topk": 9})
    assert again == first
    assert again.notice == ""
    assert "labels.topk" in settings_of_run(run, instance, str(settings_file)).notice
