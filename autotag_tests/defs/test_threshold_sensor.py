"""The sensor that has thresholds fitted again: once a state, and never where nobody asked for a precision."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.threshold_sensor import tag_threshold_sensor
from autotag.domain.ledger_entries import Action, Decision
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps
from autotag_tests.pipeline.review_steps import open_ledger

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Answer = dg.RunRequest | dg.SkipReason
Tick = Callable[[], Answer]


@pytest.fixture
def tick(settings_file: Path) -> Iterator[Tick]:
    """One look of the sensor, as the daemon takes it."""

    def look() -> Answer:
        resources = {"runtime": AutotagRuntime(config=str(settings_file))}
        with dg.build_sensor_context(instance, resources=resources) as context:
            answer = tag_threshold_sensor(context)
        assert isinstance(answer, Answer)
        return answer

    with dg.DagsterInstance.ephemeral() as instance:
        yield look


def asked(answer: Answer) -> str:
    """The state that it asks a fit for."""
    assert isinstance(answer, dg.RunRequest)
    assert answer.run_key
    return answer.run_key


def skipped(answer: Answer) -> str:
    """Why it asks for nothing."""
    assert isinstance(answer, dg.SkipReason)
    return answer.skip_message or ""


def test_without_a_target_precision_it_skips(tick: Tick, plan: PipelinePlan, archive: Archive) -> None:
    steps.odd_archive(plan, archive)
    assert "target_precision is 0" in skipped(tick())


def test_without_a_reference_index_it_skips(tick: Tick, settings_file: Path) -> None:
    steps.asking(settings_file)
    assert "no reference index" in skipped(tick())


def test_it_asks_once_a_state_and_for_nothing_when_fitted(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    settings = steps.asking(settings_file)
    state = asked(tick())
    assert asked(tick()) == state  # a run key is taken once: no second run
    steps.fit(plan, settings)
    assert "up to date" in skipped(tick())
    with open_ledger(plan) as ledger:
        ledger.decide([Decision("0" * 64, "red", Action.ADD)], "ann")
    assert asked(tick()) != state


def test_another_target_precision_is_another_state(
    tick: Tick, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.fit(plan, steps.asking(settings_file))
    settings_file.write_text(settings_file.read_text().replace("= 0.8", "= 0.7"))
    assert Settings.load(settings_file).thresholds.target_precision == 0.7
    assert asked(tick())
