import gc
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from upath import UPath

from autotag.compute.apart import ApartProcess, ProcessDiedError
from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.errors import PermanentError, RetryableError, WorkerLostError
from autotag.storage.attempts import AttemptJournal
from autotag_tests.compute.engine_workers import (
    Behaviour,
    Journalling,
    Suspicious,
    Unpicklable,
    make_unpicklable_result,
)

pytestmark = pytest.mark.slow  # each death takes an interpreter


@pytest.fixture
def apart() -> Iterator[ApartProcess]:
    made = ApartProcess()
    yield made
    made.close()


@pytest.fixture
def in_process() -> Iterator[InProcessEngine]:
    made = InProcessEngine()
    yield made
    made.close()


def add(one: int, other: int) -> tuple[int, int]:
    return one + other, os.getpid()


def die(signal_number: int) -> None:
    os.kill(os.getpid(), signal_number)


def fork_a_sleeper(note: str) -> None:
    """The child keeps whatever files it was forked with."""
    if os.fork() == 0:
        Path(note).write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    wait_for(lambda: Path(note).exists() and Path(note).read_text() != "")


def die_before_a_child(note: str) -> None:
    fork_a_sleeper(note)
    os._exit(7)


def die_in_the_midst_of_an_answer(note: str = "") -> None:
    """What was sent says that a thousand bytes come; with a note, a child holds the other end of the pipe."""
    if note:
        fork_a_sleeper(note)
    for each in gc.get_objects():
        if isinstance(each, Connection) and each.writable and not each.closed:
            os.write(each.fileno(), struct.pack("!i", 1000) + b"x" * 10)
    die(signal.SIGKILL)


def note_and_sleep(note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    time.sleep(300)


def fail(what: object) -> None:
    raise ZeroDivisionError("oh", what)


class Sealed(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} {other}")


def fail_sealed() -> None:
    raise Sealed(1, 2)


def begin(unit: str, directory: Path) -> None:
    (directory / f"begun {unit}").write_text("x")


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupt_once(note: Path) -> None:
    """Ctrl-C, as soon as the call has left its note."""

    def interrupt() -> None:
        wait_for(lambda: note.exists() and note.read_text() != "")
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def test_calls_are_made_in_one_other_process_and_answered(apart: ApartProcess) -> None:
    (total, process), (another, same) = apart.call(add, 2, 3), apart.call(add, 4, 5)
    assert (total, another) == (5, 9)
    assert os.getpid() != process == same
    apart.close()
    assert not psutil.pid_exists(process)
    assert not apart.is_open


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_death_is_told_with_its_signal_and_the_next_call_has_another_process(
    apart: ApartProcess, name: str
) -> None:
    _, first = apart.call(add, 2, 3)
    with pytest.raises(ProcessDiedError, match=name):
        apart.call(die, int(signal.Signals[name]))
    assert apart.call(add, 2, 3)[1] != first


def test_an_exit_of_its_own_is_a_death_too(apart: ApartProcess) -> None:
    with pytest.raises(ProcessDiedError, match="exit code 7"):
        apart.call(os._exit, 7)


@pytest.mark.parametrize(
    ("dying", "told"), [(die_before_a_child, "exit code 7"), (die_in_the_midst_of_an_answer, "SIGKILL")]
)
def test_a_death_is_noticed_though_a_child_of_the_dead_holds_the_pipe(
    apart: ApartProcess, tmp_path: Path, dying: Callable[[str], None], told: str
) -> None:
    note = tmp_path / "grandchild"
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match=told):
        apart.call(dying, str(note))
    assert time.monotonic() - started < 50
    os.kill(int(note.read_text()), signal.SIGKILL)
    assert not [thread for thread in threading.enumerate() if thread.name == "answer from apart"]


def test_what_a_call_raises_is_raised_here_and_its_process_stays(apart: ApartProcess) -> None:
    _, process = apart.call(add, 1, 1)
    with pytest.raises(ZeroDivisionError, match="oh") as raised:
        apart.call(fail, "x")
    assert any("in fail" in note for note in raised.value.__notes__)
    with pytest.raises(TypeError, match="this stays here"):
        apart.call(fail, Unpicklable())
    with pytest.raises(TypeError, match="this stays here"):
        apart.call(Unpicklable)
    with pytest.raises(RuntimeError, match="Sealed: 1 2"):
        apart.call(fail_sealed)
    assert apart.call(add, 1, 1)[1] == process


def test_a_process_that_is_killed_in_the_midst_of_its_answer_has_died(apart: ApartProcess) -> None:
    with pytest.raises(ProcessDiedError, match="SIGKILL"):
        apart.call(die_in_the_midst_of_an_answer)
    assert apart.call(add, 2, 3)[0] == 5


def test_a_program_that_cannot_be_imported_is_told_at_once(tmp_path: Path) -> None:
    script = tmp_path / "gone.py"
    script.write_text(
        "import os, sys\n"
        "from autotag.compute.apart import ApartProcess\n"
        "from autotag.errors import PermanentError\n"
        "os.remove(__file__)\n"
        "try:\n"
        "    ApartProcess().call(print, 'never')\n"
        "except PermanentError as error:\n"
        "    sys.exit(f'told: {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert "told: no process of its own could be started (exit code 1)" in done.stderr
    assert "never" not in done.stdout


def test_an_interrupt_of_the_caller_ends_the_process(apart: ApartProcess, tmp_path: Path) -> None:
    note = tmp_path / "process"
    interrupt_once(note)
    with pytest.raises(KeyboardInterrupt):
        apart.call(note_and_sleep, str(note))
    assert not psutil.pid_exists(int(note.read_text()))


@pytest.mark.parametrize("threads", [1, 2])
def test_once_a_process_died_over_a_unit_all_units_and_all_later_steps_run_apart(
    tmp_path: Path, threads: int
) -> None:
    plan, engine = WorkerPlan(Journalling, (tmp_path,)), InProcessEngine(threads)
    try:
        (before,) = engine.run(plan, ["z"])
        begin("b", tmp_path)
        results = [*engine.run(plan, ["a", "b"]), *InProcessEngine(threads).run(plan, ["c"])]
    finally:
        engine.close()
    (after,) = InProcessEngine(threads).run(plan, ["d"])
    processes = [result.counts.notes[0] for result in (before, *results, after) if result.counts]
    assert processes[0] == processes[-1] == str(os.getpid())
    assert len(set(processes[1:-1])) == 1  # one process, and another one than this
    assert processes[1] != str(os.getpid())


def test_a_unit_is_tried_apart_until_it_comes_through(in_process: InProcessEngine, tmp_path: Path) -> None:
    begin("b", tmp_path)
    plan = WorkerPlan(Journalling, (tmp_path,))
    once, retryable, _ = in_process.run(plan, ["diesonce", "b", "retryable"])  # what was died over comes last
    assert once.counts is not None
    assert (tmp_path / "deaths of diesonce").read_text() == "x"
    assert isinstance(retryable.error, RetryableError)
    assert str(retryable.error) == "later"


def test_a_unit_whose_deaths_teach_nothing_is_given_up_at_the_second(
    in_process: InProcessEngine, tmp_path: Path
) -> None:
    begin("dies", tmp_path)
    other, result = in_process.run(WorkerPlan(Journalling, (tmp_path,)), ["dies", "a"])
    assert isinstance(result.error, WorkerLostError)
    assert "dies: its workers died 2 times: SIGKILL" in str(result.error)
    assert Behaviour(tmp_path).begun("dies") == 1 + 2
    assert other.counts is not None


def test_what_cannot_travel_is_an_error_of_the_unit_and_no_death(
    in_process: InProcessEngine, tmp_path: Path
) -> None:
    begin("b", tmp_path)
    list(in_process.run(WorkerPlan(Journalling, (tmp_path,)), ["b"]))
    (sent,) = in_process.run(WorkerPlan(lambda: Behaviour(tmp_path), ()), ["a"])
    (answered,) = in_process.run(WorkerPlan(make_unpicklable_result, ("x",)), ["a"])
    for result, told in ((sent, "pickle"), (answered, "this stays here")):
        assert isinstance(result.error, PermanentError)
        assert told in str(result.error)
        assert "died" not in str(result.error)


def of_a_slow_suspect(tmp_path: Path) -> WorkerPlan:
    """A unit over which the run has died, with one image in its hands."""
    AttemptJournal(UPath(tmp_path / "u.json"), "inputs", 3).take(["slow"], 0, 1)
    return WorkerPlan(Suspicious, (tmp_path,))


def last_note(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "u.json").read_text().splitlines()[-1])


def test_a_suspect_in_flight_is_not_to_blame_for_a_run_that_is_cancelled(
    in_process: InProcessEngine, tmp_path: Path
) -> None:
    plan, note = of_a_slow_suspect(tmp_path), tmp_path / "process"
    for _ in range(3):
        note.unlink(missing_ok=True)
        interrupt_once(note)
        with pytest.raises(KeyboardInterrupt):
            list(in_process.run(plan, ["u"]))
        assert last_note(tmp_path)["in_flight"] == []
        in_process.close()
    journal = AttemptJournal(UPath(tmp_path / "u.json"), "inputs", 3)
    assert journal.has_suspects
    assert not journal.is_condemned("slow")


def test_a_process_whose_parent_is_killed_puts_its_journal_right_and_ends(tmp_path: Path) -> None:
    of_a_slow_suspect(tmp_path)
    script = (
        "from autotag.compute.engine import InProcessEngine, WorkerPlan\n"
        "from autotag_tests.compute.engine_workers import Suspicious\n"
        "from pathlib import Path\n"
        f"list(InProcessEngine().run(WorkerPlan(Suspicious, (Path({str(tmp_path)!r}),)), ['u']))\n"
    )
    note = tmp_path / "process"
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: note.exists() and note.read_text() != "")
    parent.kill()
    parent.wait()
    wait_for(lambda: not psutil.pid_exists(int(note.read_text())), 10)
    assert last_note(tmp_path)["in_flight"] == []


def test_memory_that_runs_out_in_a_unit_may_be_there_later() -> None:
    class Greedy:
        def __call__(self, unit: str) -> None:
            raise MemoryError

    (result,) = InProcessEngine().run(WorkerPlan(Greedy, ()), ["a"])  # type: ignore[arg-type]
    assert isinstance(result.error, RetryableError)
