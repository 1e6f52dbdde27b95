"""What the engines do with a run whose machine kills every worker, or lets nothing be written down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.compute.deaths import HOPELESS_UNITS
from autotag.compute.engine import Engine, InProcessEngine
from autotag.compute.ray_session import RaySpec
from autotag.errors import PermanentError, WorkerLostError
from autotag_tests.compute.broken_machines import BAD, run
from autotag_tests.compute.engine_workers import Behaviour, Journalling, Unwritable

pytestmark = pytest.mark.slow  # each death takes an interpreter


@pytest.fixture(scope="module", params=["in process", "actors"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Those that count deaths beside their workers; one worker at a time, so that units come in order."""
    if request.param == "in process":
        made: Engine = InProcessEngine()
        yield made
        made.close()
        return
    from autotag.compute import ray_session
    from autotag.compute.ray_actor_engine import RayActorEngine

    made = RayActorEngine(RaySpec(num_cpus=2, actors=1))
    yield made
    made.close()
    ray_session.stop()


def test_a_run_is_stopped_when_unit_after_unit_kills_its_workers(engine: Engine, tmp_path: Path) -> None:
    results = run(engine, Journalling, tmp_path, BAD)
    tried = [unit for unit in BAD if Behaviour(tmp_path).begun(unit)]
    assert tried == BAD[:HOPELESS_UNITS]
    for unit in BAD:
        error = results[unit].error
        assert isinstance(error, WorkerLostError)
        assert str(error).startswith(f"{unit}: ")
        assert ("not tried" in str(error)) is (unit not in tried)


def test_a_run_goes_on_where_another_unit_comes_through_between(engine: Engine, tmp_path: Path) -> None:
    units = [*BAD[:2], "good-1", *BAD[2:4], "good-2"]
    results = run(engine, Journalling, tmp_path, units)
    assert all(Behaviour(tmp_path).begun(unit) for unit in units)
    assert [unit for unit in units if results[unit].counts] == ["good-1", "good-2"]


def test_units_that_killed_before_keep_no_other_from_its_turn(engine: Engine, tmp_path: Path) -> None:
    run(engine, Journalling, tmp_path, BAD)
    results = run(engine, Journalling, tmp_path, [*BAD[:HOPELESS_UNITS], "good-1", "good-2"])
    assert results["good-1"].counts
    assert results["good-2"].counts


def test_a_death_that_cannot_be_written_down_ends_its_unit_only(engine: Engine, tmp_path: Path) -> None:
    results = run(engine, Unwritable, tmp_path, ["good-1", "dies-1", "good-2"])
    error = results["dies-1"].error
    assert isinstance(error, PermanentError)
    assert "dies-1: OSError: no space left on device" in str(error)
    assert results["good-1"].counts
    assert results["good-2"].counts
