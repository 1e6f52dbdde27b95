"""tag_thresholds as an asset, with its check."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from autotag.defs import materialized
from autotag.domain.held_out import HeldOut, KeptTag
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.thresholds_in_use import thresholds_in_use
from autotag.settings import Settings
from autotag.storage import locks
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


class Job:
    """The asset and its check, on an instance of their own."""

    def __init__(self, settings_file: Path, instance: dg.DagsterInstance) -> None:
        self._settings_file, self._instance = settings_file, instance

    def run(self) -> dg.ExecuteInProcessResult:
        from autotag.defs.assets.review.tag_thresholds import tag_thresholds
        from autotag.defs.checks.tag_thresholds_checks import keeps_target_precision
        from autotag.defs.resources.runtime import AutotagRuntime

        definitions = dg.Definitions(
            assets=[tag_thresholds],
            asset_checks=[keeps_target_precision],
            jobs=[dg.define_asset_job("job", [tag_thresholds])],
            resources={"runtime": AutotagRuntime(config=str(self._settings_file))},
            executor=dg.in_process_executor,
        )
        return definitions.resolve_job_def("job").execute_in_process(
            instance=self._instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


@pytest.fixture
def job(settings_file: Path) -> Iterator[Job]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Job(settings_file, instance)


def facts(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


def test_it_fits_tells_and_is_checked(
    job: Job, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    result = job.run()
    assert result.success
    told = facts(result)
    assert (told["in"], told["out"], told["target precision"]) == (steps.IMAGES, steps.IMAGES, 0.8)
    assert told["tags that no score is enough for"] == 1
    assert "data:image/png;base64," in told["reliability"]
    assert "| vote | luck | inf |" in told["thresholds"]
    assert "no label list" in told["notes"]
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.metadata["asked"].value == 0.8
    assert "| vote | red |" in check.metadata["by tag"].value
    used = thresholds_in_use(plan, Settings.load(settings_file))
    assert used is not None
    assert used.by_tag().keys() == {("vote", "red"), ("vote", "blue"), ("vote", "luck")}


def test_two_fits_of_a_model_do_not_race(
    job: Job, plan: PipelinePlan, archive: Archive, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is refused while the first, to whatever precision, holds the lock, and is tried again."""
    monkeypatch.setattr(materialized, "IN_USE_WAIT_S", 0.0)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    with locks.held(locks.thresholds_lock(plan.layout, plan.model_id)):
        result = job.run()
    assert not result.success
    retries = [event for event in result.all_events if event.is_step_up_for_retry]
    assert len(retries) == materialized.IN_USE_RETRIES
    assert "the fit of the thresholds of" in str(retries[0].event_specific_data)
    assert not plan.layout.thresholds(plan.model_id, 0.8).exists()
    assert job.run().success


def test_without_a_target_it_says_what_to_set(job: Job, plan: PipelinePlan, archive: Archive) -> None:
    steps.odd_archive(plan, archive)
    assert "target_precision is 0" in failure(job.run())


def test_without_an_index_it_names_the_command(job: Job, settings_file: Path) -> None:
    steps.asking(settings_file)
    assert "build-index" in failure(job.run())


@pytest.mark.parametrize(
    ("given", "right", "promised", "is_wrong"),
    [
        (100, 90, 0.90, False),
        (100, 88, 0.90, False),
        (100, 86, 0.90, True),
        (100, 96, 0.90, True),
        (100, 96, 0.95, False),
        (49, 20, 0.90, False),
    ],
)
def test_the_check_warns_of_what_is_not_kept_and_not_of_what_was_promised(
    given: int, right: int, promised: float, is_wrong: bool
) -> None:
    from autotag.defs.checks.tag_thresholds_checks import fault_of

    held = HeldOut((KeptTag("bird", 500, given, right, promised),), ())
    assert bool(fault_of("vote", held, 0.9)) == is_wrong
