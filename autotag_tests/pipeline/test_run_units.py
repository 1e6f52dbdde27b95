import threading
import time
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from upath import UPath

from autotag.compute.engine import UnitResult, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.errors import (
    AutotagError,
    BadShardError,
    CountsDoNotCloseError,
    InUseError,
    PermanentError,
    RetryableError,
    SettingsError,
    WorkerLostError,
)
from autotag.pipeline import progress
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.progress import listening
from autotag.pipeline.run_units import Step, run_step
from autotag.storage.attempts import AttemptJournal


class Noting(Journalled):
    """A worker with journals in a directory."""

    def __init__(self, directory: UPath) -> None:
        self.directory = directory

    def journal(self, unit: str) -> UPath:
        return self.directory / f"{unit}.json"


NOTHING = WorkerPlan(dict, ())  # type: ignore[arg-type]  # the engine below makes no workers


class Recorded:
    """An engine that plays results back."""

    def __init__(self, *results: UnitResult | BaseException) -> None:
        self.results = results
        self.was_closed_at_once = False

    def run(self, plan: WorkerPlan, units: Sequence[str]) -> Generator[UnitResult, None, None]:
        try:
            for result in self.results:
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            self.was_closed_at_once = True

    def close(self) -> None:
        pass


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def started(self, step: str, total: int) -> None:
        self.told.append(("started", total))

    def advanced(self, step: str, done: int) -> None:
        self.told.append(("advanced", done))

    def finished(self, step: str, counts: StepCounts) -> None:
        self.told.append(("finished", counts.made))


def good(unit: str, images: int = 2) -> UnitResult:
    return UnitResult(unit, StepCounts(taken=images, made=images, units=1))


def bad(unit: str, error: AutotagError) -> UnitResult:
    return UnitResult(unit, None, error)


def step(*units: str, **more: object) -> Step:
    return Step("step", NOTHING, units, **more)  # type: ignore[arg-type]


def noting(directory: UPath, *units: str, **more: object) -> Step:
    return Step("step", WorkerPlan(Noting, (directory,)), units, **more)  # type: ignore[arg-type]


def test_counts_are_summed_and_timed() -> None:
    seen: list[str] = []
    counts = run_step(
        Recorded(good("a"), good("b", 3)), step("a", "b", on_unit=lambda result: seen.append(result.unit))
    )
    assert (counts.taken, counts.made, counts.units) == (5, 5, 2)
    assert counts.seconds > 0
    assert seen == ["a", "b"]


def test_a_single_unit_fails_with_its_own_error() -> None:
    error = BadShardError("cut off")
    with pytest.raises(BadShardError) as caught:
        run_step(Recorded(bad("a", error)), step("a"))
    assert caught.value is error


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([RetryableError("r1"), WorkerLostError("r2")], RetryableError),
        ([RetryableError("r1"), BadShardError("p1")], RetryableError),
        ([InUseError("u1"), InUseError("u2")], InUseError),
        ([InUseError("u1"), WorkerLostError("r1")], RetryableError),
        ([BadShardError("p1"), BadShardError("p2")], PermanentError),
    ],
)
def test_all_that_failed_is_told_and_tried_again_where_that_may_help_one_of_them(errors, kind) -> None:
    with pytest.raises(kind) as caught:
        run_step(Recorded(bad("a", errors[0]), good("b"), bad("c", errors[1])), step("a", "b", "c"))
    assert type(caught.value) is kind
    assert str(caught.value) == f"step: 2 of 3 units failed:\n- {errors[0]}\n- {errors[1]}"


def test_wrong_settings_that_several_units_met_are_told_once() -> None:
    errors = [BadShardError("p1"), SettingsError("no GPU"), SettingsError("no GPU")]
    units = [bad(name, error) for name, error in zip("abc", errors, strict=True)]
    with pytest.raises(SettingsError, match=r"^no GPU$"):
        run_step(Recorded(*units), step("a", "b", "c"))


def test_a_long_list_of_failures_is_cut() -> None:
    units = [f"u{i:02d}" for i in range(25)]
    with pytest.raises(PermanentError, match="and 5 more"):
        run_step(Recorded(*(bad(unit, BadShardError(unit)) for unit in units)), step(*units))


def test_counts_that_do_not_close_are_a_bug_that_is_told() -> None:
    with pytest.raises(CountsDoNotCloseError):
        run_step(Recorded(UnitResult("a", StepCounts(taken=2, made=1))), step("a"))


def test_cancelling_closes_the_engines_run_at_once() -> None:
    engine = Recorded(good("a"), good("b"))

    def cancel(result: UnitResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as cancelled:
        run_step(engine, step("a", "b", on_unit=cancel))
    assert cancelled.tb is not None  # the traceback still holds every frame, the generator's too
    assert engine.was_closed_at_once


def test_a_listener_hears_start_progress_and_end() -> None:
    heard = Heard()
    with listening(heard):
        run_step(Recorded(good("a"), good("b", 3)), step("a", "b", total_images=5))
    run_step(Recorded(good("a")), step("a"))  # nobody listens any more
    assert heard.told == [("started", 5), ("advanced", 2), ("advanced", 5), ("finished", 5)]


def test_units_under_way_are_heard_of_through_their_journals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "POLL_INTERVAL_S", 0.01)
    directory = UPath(tmp_path / "j")
    # Of another step's unit, and of a unit of this step that a killed run left behind and nobody has begun again.
    AttemptJournal(directory / "a.images.json", "run", 3).take(["x"], 100, 100)
    AttemptJournal(directory / "b.json", "run", 3).take(["x"], 30, 100)
    heard = Heard()

    def wait_until_it_is_heard(done: int) -> None:
        deadline = time.monotonic() + 5
        while ("advanced", done) not in heard.told and time.monotonic() < deadline:
            time.sleep(0.01)

    def work(result: UnitResult) -> None:
        AttemptJournal(directory / "a.json", "run", 3).take(["x"], 7, 10)
        wait_until_it_is_heard(7)
        AttemptJournal(directory / "b.json", "run", 3).take(["x"], 4, 10)
        wait_until_it_is_heard(11)

    with listening(heard):
        run_step(Recorded(good("a")), noting(directory, "a", "b", on_unit=work))
    assert {("advanced", 7), ("advanced", 11)} <= set(heard.told)
    assert max(done for what, done in heard.told if what == "advanced") == 11  # type: ignore[type-var]


def pollers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("progress of")]


def test_polling_ends_with_a_step_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), listening(Heard()):
        run_step(Recorded(RuntimeError()), noting(UPath(tmp_path), "a"))
    assert not pollers()


@pytest.mark.parametrize("listened", [True, False])
def test_journals_are_looked_at_only_where_somebody_listens(tmp_path: Path, listened: bool) -> None:
    counted: list[int] = []
    a = noting(UPath(tmp_path), "a", on_unit=lambda _: counted.append(len(pollers())))
    with listening(Heard()) if listened else nullcontext():
        run_step(Recorded(good("a")), a)
    assert counted == [1 if listened else 0]


def test_journals_in_an_object_store_are_looked_at_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(progress, "STORE_POLL_INTERVAL_S", 0.3)
    looks: list[object] = []
    monkeypatch.setattr(progress, "images_done", lambda paths: looks.append(paths) or [0])
    a = noting(UPath("memory://journals"), "a", on_unit=lambda _: time.sleep(0.4))
    with listening(Heard()):
        run_step(Recorded(good("a")), a)
    assert len(looks) == 2  # before the step, and within it
