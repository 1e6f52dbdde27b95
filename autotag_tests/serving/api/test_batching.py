"""Many callers, few calls: each accepted item gets its own answer once, and nobody's failure or absence is another's."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.errors import CountsDoNotCloseError, OverloadedError
from autotag.serving.api.batching import MicroBatcher

ENOUGH_S = 20.0
ITEMS = st.lists(st.integers(-20, 20), max_size=40)


class Model:
    """Doubles numbers; raises on batches that hold one of `bad`, answers negative numbers by an error of their own.

    While its gate is closed, calls wait.
    """

    def __init__(self, bad: Sequence[int] = ()) -> None:
        self.calls: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self._bad = set(bad)

    def __call__(self, items: list[int]) -> list[int | Exception]:
        self.threads.add(threading.get_ident())
        self.calls.append(items)
        self.busy.set()
        assert self.gate.wait(ENOUGH_S)
        if self._bad & set(items):
            raise ValueError(f"{sorted(self._bad & set(items))} cannot be doubled")
        return [KeyError(each) if each < 0 else 2 * each for each in items]


Made = Callable[..., MicroBatcher[int, int]]


@pytest.fixture
def made() -> Iterator[Made]:
    opened: list[MicroBatcher[int, int]] = []

    def make(
        model: Model, most: int = 4, wait_ms: float = 0.0, max_waiting: int = 100
    ) -> MicroBatcher[int, int]:
        batcher = MicroBatcher(model, name="numbers", most=most, wait_ms=wait_ms, max_waiting=max_waiting)
        opened.append(batcher)
        return batcher

    yield make
    for each in opened:
        each.close(ENOUGH_S)


def batcher_of(
    model: Model, most: int, wait_ms: float = 0.0, max_waiting: int = 1000
) -> MicroBatcher[int, int]:
    return MicroBatcher(model, name="numbers", most=most, wait_ms=wait_ms, max_waiting=max_waiting)


@settings(max_examples=60)
@given(ITEMS, st.integers(1, 7), st.sampled_from([0.0, 1.0]), st.sets(st.integers(0, 20), max_size=3))
def test_each_item_gets_its_own_answer_once_and_only_failing_ones_fail(
    items: list[int], most: int, wait_ms: float, bad: set[int]
) -> None:
    model = Model(list(bad))
    batcher = batcher_of(model, most, wait_ms)
    futures = [batcher.submit(each) for each in items]
    for item, future in zip(items, futures, strict=True):
        error = future.exception(ENOUGH_S)
        if item in bad:
            assert isinstance(error, ValueError)
        elif item < 0:
            assert isinstance(error, KeyError)
        else:
            assert error is None
            assert future.result() == 2 * item
    batcher.close(ENOUGH_S)
    assert all(1 <= len(call) <= most for call in model.calls)
    assert len(model.threads) <= 1


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7))
def test_calls_take_items_in_the_order_in_which_they_came(items: list[int], most: int) -> None:
    model = Model()
    model.gate.clear()
    batcher = batcher_of(model, most)
    futures = [batcher.submit(each) for each in items]
    model.gate.set()
    assert [future.result(ENOUGH_S) for future in futures] == [2 * each for each in items]
    batcher.close(ENOUGH_S)
    assert [each for call in model.calls for each in call] == items


@settings(max_examples=40)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 7))
def test_waiters_that_go_away_harm_nobody(leaves: list[bool], most: int) -> None:
    model = Model()
    model.gate.clear()
    batcher = batcher_of(model, most)
    first = batcher.submit(100)
    assert model.busy.wait(ENOUGH_S)
    futures = [batcher.submit(number) for number in range(len(leaves))]
    for future, goes in zip(futures, leaves, strict=True):
        if goes:
            assert future.cancel()
    model.gate.set()
    stayed = [number for number, goes in enumerate(leaves) if not goes]
    assert [futures[number].result(ENOUGH_S) for number in stayed] == [2 * number for number in stayed]
    assert first.result(ENOUGH_S) == 200
    batcher.close(ENOUGH_S)
    assert [each for call in model.calls[1:] for each in call] == stayed


@settings(max_examples=30)
@given(st.integers(0, 20), st.integers(1, 5))
def test_closing_answers_what_was_accepted_and_refuses_what_comes(count: int, most: int) -> None:
    model = Model()
    model.gate.clear()
    batcher = batcher_of(model, most, wait_ms=10_000)
    futures = [batcher.submit(number) for number in range(count)]
    closing = threading.Thread(target=batcher.close, args=(ENOUGH_S,))
    closing.start()
    with pytest.raises(OverloadedError, match="shutting down"):
        submit_until_refused(batcher, futures)
    model.gate.set()
    closing.join(ENOUGH_S)
    assert [future.result(0) for future in futures] == [2 * number for number in range(len(futures))]


def submit_until_refused(batcher: MicroBatcher[int, int], futures: list[Future[int]]) -> None:
    while True:
        futures.append(batcher.submit(len(futures)))


def test_no_more_wait_than_may_and_the_next_is_told_when_to_come_back(made: Made) -> None:
    model = Model()
    model.gate.clear()
    batcher = made(model, max_waiting=3)
    batcher.submit(0)
    assert model.busy.wait(ENOUGH_S)
    waiting = [batcher.submit(number) for number in range(3)]
    assert batcher.waiting == 3
    with pytest.raises(OverloadedError, match="3 requests wait for numbers already") as told:
        batcher.submit(3)
    assert 1 <= told.value.retry_after_s <= 30
    model.gate.set()
    assert [each.result(ENOUGH_S) for each in waiting] == [0, 2, 4]
    assert batcher.call(5) == 10


def test_those_who_left_hold_no_place_in_the_queue(made: Made) -> None:
    model = Model()
    model.gate.clear()
    batcher = made(model, max_waiting=2)
    batcher.submit(0)
    assert model.busy.wait(ENOUGH_S)
    for left in [batcher.submit(1), batcher.submit(2)]:
        left.cancel()
    stayed = batcher.submit(3)
    model.gate.set()
    assert stayed.result(ENOUGH_S) == 6


def test_items_that_come_while_a_call_runs_share_the_next_one(made: Made) -> None:
    model = Model()
    model.gate.clear()
    batcher = made(model, most=8)
    batcher.submit(0)
    assert model.busy.wait(ENOUGH_S)
    futures = [batcher.submit(number) for number in range(8)]
    model.gate.set()
    assert [each.result(ENOUGH_S) for each in futures] == [2 * number for number in range(8)]
    assert model.calls == [[0], list(range(8))]


def test_a_full_call_waits_for_nobody(made: Made) -> None:
    batcher = made(Model(), most=2, wait_ms=1000 * ENOUGH_S)
    started_s = time.monotonic()
    assert batcher.call_all([1, 2]) == [2, 4]
    assert time.monotonic() - started_s < ENOUGH_S / 2


def test_an_answer_that_does_not_come_in_time_is_given_up_and_not_computed(made: Made) -> None:
    model = Model()
    model.gate.clear()
    batcher = made(model)
    batcher.submit(0)
    assert model.busy.wait(ENOUGH_S)
    with pytest.raises(OverloadedError, match="did not answer in time"):
        batcher.call(1, timeout_s=0.01)
    model.gate.set()
    assert batcher.call(2) == 4
    assert 1 not in [each for call in model.calls for each in call]


def test_of_several_items_either_all_are_accepted_or_none_is_computed(made: Made) -> None:
    model = Model()
    model.gate.clear()
    batcher = made(model, max_waiting=3)
    batcher.submit(0)
    assert model.busy.wait(ENOUGH_S)
    with pytest.raises(OverloadedError):
        batcher.call_all([1, 2, 3, 4])
    model.gate.set()
    assert batcher.call(5) == 10
    assert model.calls == [[0], [5]]


def test_what_is_not_answered_before_the_time_is_up_ends_as_overloaded() -> None:
    model = Model()
    model.gate.clear()
    batcher = batcher_of(model, most=1)
    running = batcher.submit(1)
    assert model.busy.wait(ENOUGH_S)
    waiting = batcher.submit(2)
    batcher.close(0.01)
    with pytest.raises(OverloadedError, match="shutting down"):
        waiting.result(0)
    model.gate.set()
    assert running.result(ENOUGH_S) == 2


class PanicError(BaseException):
    """As libraries written in Rust raise it: no `Exception`."""


def test_a_panic_costs_those_whose_items_caused_it_an_answer_and_nobody_else() -> None:
    def run(items: list[int]) -> list[int]:
        if 3 in items:
            raise PanicError("index out of bounds")
        return [2 * each for each in items]

    batcher: MicroBatcher[int, int] = MicroBatcher(run, name="numbers", most=4, wait_ms=50, max_waiting=9)
    futures = [batcher.submit(each) for each in (1, 3, 5)]
    with pytest.raises(RuntimeError, match=r"numbers broke off: .*index out of bounds"):
        futures[1].result(ENOUGH_S)
    assert [futures[0].result(ENOUGH_S), futures[2].result(ENOUGH_S)] == [2, 10]
    assert batcher.call(4, ENOUGH_S) == 8
    batcher.close(ENOUGH_S)


def test_a_model_that_loses_answers_is_a_bug_that_is_told() -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(
        lambda items: items[1:], name="lossy", most=4, wait_ms=0, max_waiting=9
    )
    with pytest.raises(CountsDoNotCloseError, match="lossy gave 0 answers to 1"):
        batcher.call(1)
    batcher.close(ENOUGH_S)


def test_calls_are_told_with_their_size(made: Made) -> None:
    calls: list[tuple[int, float]] = []
    batcher: MicroBatcher[int, int] = MicroBatcher(
        Model(),
        name="n",
        most=3,
        wait_ms=0,
        max_waiting=9,
        told=lambda size, seconds: calls.append((size, seconds)),
    )
    assert batcher.call(1) == 2
    batcher.close(ENOUGH_S)
    assert [size for size, _ in calls] == [1]
    assert calls[0][1] >= 0


def test_whoever_fails_to_be_told_costs_no_answer_and_no_second_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: int, __: float) -> None:
        raise RuntimeError("no room for another figure")

    model = Model()
    batcher: MicroBatcher[int, int] = MicroBatcher(
        model, name="numbers", most=3, wait_ms=50, max_waiting=9, told=fail
    )
    assert batcher.call_all([1, 2], ENOUGH_S) == [2, 4]
    assert batcher.call(3, ENOUGH_S) == 6
    batcher.close(ENOUGH_S)
    assert model.calls == [[1, 2], [3]]
    assert "no room for another figure" in caplog.text


def test_many_threads_each_get_their_own_answers(made: Made) -> None:
    batcher = made(Model(), most=5, wait_ms=1.0)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(batcher.call, range(400)))
    assert answers == [2 * number for number in range(400)]
