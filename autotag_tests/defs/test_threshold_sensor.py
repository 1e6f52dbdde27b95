"""The sensor that has thresholds fitted again: once a state, and never where nobody asked for a precision."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs import asked_runs
from autotag.defs.jobs import thresholds_job
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.threshold_sensor import tag_threshold_sensor
from autotag.domain.ledger_entries import Action, Decision
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.thresholds_in_use import thresholds_in_use
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.defs.watched_folders import FAILURE, RUN_KEY, SUCCESS, Clock
from autotag_tests.pipeline import threshold_steps as steps
from autotag_tests.pipeline.review_steps import open_ledger

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Answer = dg.RunRequest | dg.SkipReason
Tick = Callable[[], Answer]


@dataclass
class Daemon:
    """Takes looks of the sensor, and starts what it asks for: one run a run key, ever."""

    settings_file: Path
    instance: dg.DagsterInstance

    def tick(self) -> Answer:
        """One look of the sensor."""
        resources = {"runtime": AutotagRuntime(config=str(self.settings_file))}
        with dg.build_sensor_context(self.instance, resources=resources) as context:
            answer = tag_threshold_sensor(context)
        assert isinstance(answer, Answer)
        return answer

    def starts(self) -> bool:
        """Whether a run starts."""
        answer = self.tick()
        if isinstance(answer, dg.SkipReason):
            return False
        tags = {**answer.tags, RUN_KEY: str(answer.run_key)}
        if self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: tags[RUN_KEY]})):
            return False
        from autotag.definitions import defs

        job = defs.resolve_job_def(thresholds_job.name)
        self.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        return True

    def end(self, event: dg.DagsterEventType) -> None:
        """The latest run ends."""
        run, *_ = self.instance.get_runs()
        self.instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)


@pytest.fixture
def daemon(settings_file: Path) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(settings_file, instance)


@pytest.fixture
def tick(daemon: Daemon) -> Tick:
    return daemon.tick


def asked(answer: Answer) -> str:
    """The state that it asks a fit for."""
    assert isinstance(answer, dg.RunRequest)
    assert answer.run_key
    return answer.run_key


def skipped(answer: Answer) -> str:
    """Why it asks for nothing."""
    assert isinstance(answer, dg.SkipReason)
    return answer.skip_message or ""


def test_without_a_target_precision_it_skips(tick: Tick) -> None:
    assert "target_precision is 0" in skipped(tick())


def test_without_a_reference_index_it_skips(tick: Tick, settings_file: Path) -> None:
    steps.asking(settings_file)
    assert "no reference index" in skipped(tick())


def test_it_asks_for_another_state_when_another_precision_is_wanted(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    state = asked(tick())
    settings_file.write_text(settings_file.read_text().replace("= 0.8", "= 0.7"))
    assert asked(tick()) != state


@pytest.mark.slow  # the fit loads scikit-learn
def test_it_asks_once_a_state_and_for_nothing_when_fitted(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    settings = steps.asking(settings_file)
    state = asked(tick())
    assert asked(tick()) == state  # nothing ran yet: Dagster starts one run a key, ever
    steps.fit(plan, settings)
    assert "up to date" in skipped(tick())
    with open_ledger(plan) as ledger:
        ledger.decide([Decision("0" * 64, "red", Action.ADD)], "ann")
    assert asked(tick()) != state


@pytest.mark.slow
def test_what_is_fitted_to_one_precision_is_not_to_another(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.fit(plan, steps.asking(settings_file))
    settings_file.write_text(settings_file.read_text().replace("= 0.8", "= 0.7"))
    assert Settings.load(settings_file).thresholds.target_precision == 0.7
    assert asked(tick())


def test_an_exploratory_fit_to_another_precision_changes_nothing_for_the_daemon(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    settings = steps.asking(settings_file)
    steps.fit(plan, settings)
    steps.fit(plan, steps.changed(settings, "thresholds", target_precision=0.95))
    assert "up to date" in skipped(tick())
    assert thresholds_in_use(plan, settings)


def test_a_state_that_comes_back_is_fitted_again(
    daemon: Daemon, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    for k in ("4", "5", "4", "5"):
        text = settings_file.read_text()
        settings_file.write_text(
            text.replace("\nk = 4\n", f"\nk = {k}\n").replace("\nk = 5\n", f"\nk = {k}\n")
        )
        assert daemon.starts()
        assert "queued or running" in skipped(daemon.tick())
        steps.fit(plan, Settings.load(settings_file))
        daemon.end(SUCCESS)
        assert "up to date" in skipped(daemon.tick())


def test_thresholds_that_were_deleted_are_fitted_again(
    daemon: Daemon, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    settings = steps.asking(settings_file)
    for _ in range(2):
        assert daemon.starts()
        steps.fit(plan, settings)
        daemon.end(SUCCESS)
        assert not daemon.starts()
        plan.layout.thresholds(plan.model_id, 0.8).unlink()


def test_a_fit_that_failed_or_was_killed_is_tried_again_after_a_pause_and_a_cancelled_one_is_not(
    daemon: Daemon, plan: PipelinePlan, archive: Archive, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    assert daemon.starts()
    daemon.end(FAILURE)
    assert "tried again later" in skipped(daemon.tick())
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 310))
    assert daemon.starts()
    daemon.end(dg.DagsterEventType.RUN_CANCELED)
    monkeypatch.setattr(asked_runs.time, "time", Clock(time.time() + 10**6))
    assert "run `autotag thresholds`" in skipped(daemon.tick())


def test_labels_that_cannot_be_used_are_told_and_do_not_fail_the_tick(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    settings_file.with_name("labels.txt").write_bytes(b"red\n\x00\n")
    assert "line 2" in skipped(tick())
