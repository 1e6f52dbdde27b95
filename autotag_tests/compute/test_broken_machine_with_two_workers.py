"""What two workers at once do on a machine that kills them: the engine that takes one unit at a time has no such case."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.compute import ray_session
from autotag.compute.deaths import HOPELESS_UNITS
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.compute.ray_session import RaySpec
from autotag_tests.compute.broken_machines import BAD, run
from autotag_tests.compute.engine_workers import Journalling

pytestmark = pytest.mark.slow  # each death takes an interpreter


@pytest.fixture
def two_workers() -> Iterator[RayActorEngine]:
    made = RayActorEngine(RaySpec(num_cpus=2, actors=2))
    yield made
    made.close()
    ray_session.stop()


def test_what_is_under_way_may_show_that_the_machine_works(
    two_workers: RayActorEngine, tmp_path: Path
) -> None:
    units = ["patient-1", *BAD[:HOPELESS_UNITS], "good-1", "good-2"]
    results = run(two_workers, Journalling, tmp_path, units)
    through = {unit for unit, result in results.items() if result.counts}
    assert through == {"good-0", "patient-1", "good-1", "good-2"}
