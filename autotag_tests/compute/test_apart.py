import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from autotag.compute import engine
from autotag.compute.apart import ProcessDiedError, call_apart
from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.errors import RetryableError, WorkerLostError
from autotag_tests.compute.engine_workers import Behaviour, Journalling

pytestmark = pytest.mark.slow  # each death takes an interpreter


def add(one: int, other: int) -> tuple[int, int]:
    return one + other, os.getpid()


def die(signal_number: int) -> None:
    os.kill(os.getpid(), signal_number)


def note_and_sleep(note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    time.sleep(300)


def begin(unit: str, directory: Path) -> None:
    (directory / f"begun {unit}").write_text("x")


def test_a_call_is_made_in_another_process_and_answered() -> None:
    total, process = call_apart(add, 2, 3)
    assert total == 5
    assert process != os.getpid()
    assert not psutil.pid_exists(process)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_death_is_told_with_its_signal(name: str) -> None:
    with pytest.raises(ProcessDiedError, match=name):
        call_apart(die, int(signal.Signals[name]))


def test_an_exit_of_its_own_is_a_death_too() -> None:
    with pytest.raises(ProcessDiedError, match="exit code 7"):
        call_apart(os._exit, 7)


def test_an_interrupt_of_the_caller_ends_the_process(tmp_path: Path) -> None:
    note = tmp_path / "process"

    def interrupt() -> None:
        while not note.exists() or not note.read_text():
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        call_apart(note_and_sleep, str(note))
    assert not psutil.pid_exists(int(note.read_text()))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_unit_that_a_process_died_over_runs_apart_the_others_here(tmp_path: Path, threads: int) -> None:
    begin("b", tmp_path)
    plan = WorkerPlan(Journalling, (tmp_path,))
    results = {result.unit: result for result in InProcessEngine(threads).run(plan, ["a", "b"])}
    processes = {unit: result.counts.notes[0] for unit, result in results.items() if result.counts}
    assert processes["a"] == str(os.getpid()) != processes["b"]


def test_a_unit_is_tried_apart_until_it_comes_through(tmp_path: Path) -> None:
    begin("diesonce", tmp_path)
    (result,) = InProcessEngine().run(WorkerPlan(Journalling, (tmp_path,)), ["diesonce"])
    assert result.counts is not None
    begin("retryable", tmp_path)
    (result,) = InProcessEngine().run(WorkerPlan(Journalling, (tmp_path,)), ["retryable"])
    assert isinstance(result.error, RetryableError)
    assert str(result.error) == "later"


def test_a_unit_that_kills_every_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_WORKER_DEATHS", 2)
    begin("dies", tmp_path)
    (result,) = InProcessEngine().run(WorkerPlan(Journalling, (tmp_path,)), ["dies"])
    assert isinstance(result.error, WorkerLostError)
    assert "dies: its workers died 2 times: SIGKILL" in str(result.error)
    assert Behaviour(tmp_path).begun("dies") == 3


def test_memory_that_runs_out_in_a_unit_may_be_there_later() -> None:
    class Greedy:
        def __call__(self, unit: str) -> None:
            raise MemoryError

    (result,) = InProcessEngine().run(WorkerPlan(Greedy, ()), ["a"])  # type: ignore[arg-type]
    assert isinstance(result.error, RetryableError)
