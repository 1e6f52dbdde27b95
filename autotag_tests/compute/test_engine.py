"""One contract, three engines. Those on Ray share one local cluster."""

import contextlib
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotag import errors
from autotag.compute.engine import Engine, InProcessEngine, UnitResult, WorkerPlan
from autotag.compute.ray_session import RaySpec
from autotag.domain.counts import StepCounts
from autotag.errors import (
    AutotagError,
    MissingWeightsError,
    PermanentError,
    RejectedImageError,
    RetryableError,
)
from autotag_tests.compute.engine_workers import Behaviour, broken_maker

OURS = ("ray::WorkerShelf", "ray::MapWorker", "ray::_Tally")
"""Titles of processes that hold an actor of ours; Ray and Ray Data keep some for themselves."""

SPEC = RaySpec(num_cpus=2, actors=2, max_worker_deaths=2)


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    from autotag.compute import ray_session as session

    session.start(SPEC)
    yield
    session.stop()


@pytest.fixture(
    params=[
        "in process",
        pytest.param("actors", marks=pytest.mark.slow),
        pytest.param("data", marks=pytest.mark.slow),
    ]
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "in process":
        made: Engine = InProcessEngine()
        yield made
        made.close()
        return
    request.getfixturevalue("ray_session")
    from autotag.compute.ray_actor_engine import RayActorEngine
    from autotag.compute.ray_data_engine import RayDataEngine

    if request.param == "actors":
        made = RayActorEngine(SPEC)
        yield made
        made.close()
    else:
        yield RayDataEngine(SPEC)  # its close would end the session that the tests share


@pytest.fixture(params=["actors", "data"])
def ray_engine(request: pytest.FixtureRequest, ray_session: None) -> Iterator[Engine]:
    from autotag.compute.ray_actor_engine import RayActorEngine
    from autotag.compute.ray_data_engine import RayDataEngine

    made: Engine = RayActorEngine(SPEC) if request.param == "actors" else RayDataEngine(SPEC)
    yield made
    if request.param == "actors":
        made.close()


def run(engine: Engine, tmp_path: Path, *units: str) -> dict[str, UnitResult]:
    results = list(engine.run(WorkerPlan(Behaviour, (tmp_path,)), units))
    assert len(results) == len(units)
    return {result.unit: result for result in results}


def living_actors() -> list[str]:
    """Titles of this session's worker processes that hold an actor: Ray writes its class into them."""
    titles = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            titles.append(" ".join(process.cmdline()))
    return [title for title in titles if title.startswith(OURS)]


def wait_until_no_actor_is_left() -> list[str]:
    deadline = time.monotonic() + 30
    while (left := living_actors()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_every_unit_gets_one_result(engine: Engine, tmp_path: Path) -> None:
    results = run(engine, tmp_path, *(f"good-{i}" for i in range(7)))
    assert set(results) == {f"good-{i}" for i in range(7)}
    assert all(
        result.counts and result.counts.made == 1 and result.error is None for result in results.values()
    )


def test_no_units_no_results(engine: Engine, tmp_path: Path) -> None:
    assert run(engine, tmp_path) == {}


def test_failing_units_do_not_stop_the_others_and_errors_keep_their_class(
    engine: Engine, tmp_path: Path
) -> None:
    units = ["good-1", "weights-1", "rejected-1", "retryable-1", "bug-1", "good-2"]
    results = run(engine, tmp_path, *units)
    assert results["good-1"].counts
    assert results["good-2"].counts
    weights, rejected = results["weights-1"].error, results["rejected-1"].error
    assert isinstance(weights, MissingWeightsError)
    assert str(weights) == "net.pt is missing: looked for it in /weights; put it there."
    assert isinstance(rejected, RejectedImageError)
    assert (rejected.stage, rejected.reason) == ("decode", "too small")
    assert type(results["retryable-1"].error) is RetryableError
    bug = results["bug-1"].error
    assert isinstance(bug, PermanentError)
    assert "ZeroDivisionError: oh" in str(bug)
    assert "engine_workers.py" in str(bug)  # a bug travels with its trace


def test_a_worker_that_cannot_be_made_is_its_units_error(engine: Engine, tmp_path: Path) -> None:
    results = list(engine.run(WorkerPlan(broken_maker, (tmp_path,)), ["a", "b"]))
    assert sorted(result.unit for result in results) == ["a", "b"]
    assert all(isinstance(result.error, MissingWeightsError) for result in results)


def test_an_engine_can_run_again(engine: Engine, tmp_path: Path) -> None:
    for turn in range(2):
        assert run(engine, tmp_path, f"good-{turn}")[f"good-{turn}"].counts


def test_workers_are_kept_in_process(tmp_path: Path) -> None:
    made: list[int] = []

    def make(number: int) -> object:
        made.append(number)
        return lambda unit: StepCounts(units=1)

    engine = InProcessEngine()
    for _ in range(2):
        list(engine.run(WorkerPlan(make, (1,)), ["a", "b"]))  # type: ignore[arg-type]
    assert made == [1]
    engine.close()
    list(engine.run(WorkerPlan(make, (1,)), ["a"]))  # type: ignore[arg-type]
    assert made == [1, 1]


def test_cancelling_in_process_cancels(tmp_path: Path) -> None:
    def interrupted(unit: str) -> StepCounts:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(InProcessEngine().run(WorkerPlan(lambda: interrupted, ()), ["a", "b"]))


@pytest.mark.parametrize(
    "error",
    [
        MissingWeightsError("a", "b", "c"),
        RejectedImageError("decode", "too small"),
        errors.UnknownKindError("decode", "no picture"),
        *(
            kind("text")
            for kind in vars(errors).values()
            if isinstance(kind, type)
            and issubclass(kind, AutotagError)
            and not issubclass(kind, MissingWeightsError | RejectedImageError)
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_of_ours_survives_pickling(error: AutotagError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_unit_run_again(ray_engine: Engine, tmp_path: Path) -> None:
    results = run(ray_engine, tmp_path, "good-1", "diesonce-1", "good-2")
    assert all(result.counts for result in results.values())
    assert Behaviour(tmp_path).begun("diesonce-1") == 2


@pytest.mark.slow
def test_a_unit_that_kills_every_worker_is_given_up_and_the_others_are_done(
    ray_engine: Engine, tmp_path: Path
) -> None:
    results = run(ray_engine, tmp_path, "good-1", "dies-1", "good-2", "good-3")
    error = results.pop("dies-1").error
    assert isinstance(error, errors.WorkerLostError)
    assert "dies-1: its workers died 3 times" in str(error)
    assert Behaviour(tmp_path).begun("dies-1") == 3
    assert all(result.counts for result in results.values())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_a_cancelled_run_leaves_no_actor_behind(ray_engine: Engine, tmp_path: Path, how: str) -> None:
    results = ray_engine.run(
        WorkerPlan(Behaviour, (tmp_path,)), ["good-1", "sleeps-1", "sleeps-2", "sleeps-3"]
    )
    next(results)
    assert living_actors()
    if how == "close":
        results.close()
    else:
        with contextlib.suppress(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    del results
    assert wait_until_no_actor_is_left() == []


@pytest.mark.slow
def test_actors_outlive_a_run_and_keep_their_workers(ray_session: None, tmp_path: Path) -> None:
    from autotag.compute.ray_actor_engine import RayActorEngine

    engine = RayActorEngine(RaySpec(num_cpus=2, actors=1))
    pids = {run(engine, tmp_path, f"good-{turn}")[f"good-{turn}"].counts.notes[0] for turn in range(3)}  # type: ignore[union-attr]
    assert len(pids) == 1
    assert pids != {str(os.getpid())}
    engine.close()
    assert wait_until_no_actor_is_left() == []


@pytest.mark.slow
def test_a_worker_larger_than_the_machine_is_refused_instead_of_waiting_for_ever(
    ray_session: None, tmp_path: Path
) -> None:
    from autotag.compute.ray_actor_engine import RayActorEngine

    with pytest.raises(errors.SettingsError, match="gpus_per_actor"):
        run(RayActorEngine(RaySpec(gpus_per_actor=64.0)), tmp_path, "good-1")


@pytest.mark.slow
def test_ray_data_works_in_silence(
    ray_session: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import warnings

    from autotag.compute.ray_data_engine import RayDataEngine

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(RayDataEngine(SPEC), tmp_path, "good-1", "good-2")
    told = capfd.readouterr()
    assert told.out + told.err == ""
