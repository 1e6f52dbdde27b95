from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag_tests.defs.watched_folders import Sensor, release


@pytest.fixture
def sensor(settings_file: Path) -> Iterator[Sensor]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(settings_file, instance)


@pytest.fixture
def index(plan: PipelinePlan) -> None:
    """What the sensor takes for a released reference index."""
    release(plan, plan.model_id)
