"""Requests of many clients share calls of a model: a bounded queue, one thread, and an answer for each of them."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Generic, NamedTuple, TypeVar

from autotag.errors import CountsDoNotCloseError, OverloadedError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_SMOOTHING = 0.2
"""Of the seconds an item takes: how much the last batch counts."""

_LEAST_RETRY_S, _MOST_RETRY_S = 1.0, 30.0
_log = logging.getLogger(__name__)


class _Accepted(NamedTuple, Generic[Item, Answer]):
    item: Item
    answer: Future[Answer]
    came_at_s: float


class MicroBatcher(Generic[Item, Answer]):
    """Items that come while others wait are answered by one call. Threads may share it.

    Each accepted item gets exactly one answer, in the order of acceptance. An item that fails costs the others of its batch nothing.
    A waiter that goes away (`Future.cancel`) harms nobody; its item is not computed where the call has not begun.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Answer | Exception]],
        *,
        name: str,
        most: int,
        wait_ms: float,
        max_waiting: int,
        told: Callable[[int, float], None] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            run: one answer an item, in order, or the item's error; called from one thread only. Where it raises for several items it
                is called again with each of them, so that only those that make it fail see the error.
            name: of the queue, for messages and the thread.
            most: items of one call, 1 or more.
            wait_ms: longest that the first item of a call waits for others, in milliseconds.
            max_waiting: items that may wait; the next one is refused.
            told: how many items a call had, and how many seconds it took.
        """
        self._run = run
        self._name = name
        self._most = most
        self._wait_s = wait_ms / 1000
        self._max_waiting = max_waiting
        self._told = told
        self._queue: deque[_Accepted[Item, Answer]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._seconds_an_item = 0.0
        self._thread = threading.Thread(target=self._work, name=f"batches of {name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that are accepted and not yet in a call."""
        return len(self._queue)

    def submit(self, item: Item) -> Future[Answer]:
        """Accept an item; its answer comes through the future.

        Raises:
            OverloadedError: too many wait, or it is being closed.
        """
        with self._changed:
            self._refuse()
            accepted: _Accepted[Item, Answer] = _Accepted(item, Future(), time.monotonic())
            self._queue.append(accepted)
            self._changed.notify_all()
        return accepted.answer

    def call(self, item: Item, timeout_s: float | None = None) -> Answer:
        """Its answer, waited for.

        Raises:
            OverloadedError: too many wait, it is being closed, or the answer did not come in time.
            Exception: what the item's computation raised.
        """
        return self.call_all([item], timeout_s)[0]

    def call_all(self, items: Sequence[Item], timeout_s: float | None = None) -> list[Answer]:
        """The answers, in order; all items are accepted, or none is waited for.

        Raises:
            OverloadedError: too many wait, it is being closed, or the answers did not come in time.
            Exception: what the first item that failed raised.
        """
        futures: list[Future[Answer]] = []
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            futures.extend(map(self.submit, items))
            return [each.result(None if end_s is None else end_s - time.monotonic()) for each in futures]
        except (TimeoutError, CancelledError) as error:
            raise OverloadedError(
                f"{self._name} did not answer in time; try again", self._retry_after_s()
            ) from error
        finally:
            for each in futures:
                each.cancel()  # nobody waits for those that are left; the others are done

    def close(self, timeout_s: float) -> None:
        """Answer what was accepted, refuse what comes. What is not answered within `timeout_s` ends as `OverloadedError`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            left, self._queue = list(self._queue), deque()
        for each in left:
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_exception(self._closed())

    def _refuse(self) -> None:
        if self._closing:
            raise self._closed()
        if len(self._queue) >= self._max_waiting:
            self._queue = deque(each for each in self._queue if not each.answer.cancelled())
        if len(self._queue) >= self._max_waiting:
            raise OverloadedError(
                f"{len(self._queue)} requests wait for {self._name} already; try again later",
                self._retry_after_s(),
            )

    def _closed(self) -> OverloadedError:
        return OverloadedError(f"{self._name} is shutting down; try again in a moment", _LEAST_RETRY_S)

    def _retry_after_s(self) -> float:
        """When those that wait now will have been answered."""
        return min(_MOST_RETRY_S, max(_LEAST_RETRY_S, len(self._queue) * self._seconds_an_item))

    def _work(self) -> None:
        while batch := self._next_batch():
            wanted = [each for each in batch if each.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

    def _next_batch(self) -> list[_Accepted[Item, Answer]]:
        """The next items; none once it is closed and all are answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._queue:
                left_s = self._queue[0].came_at_s + self._wait_s - time.monotonic()
                self._changed.wait_for(
                    lambda: len(self._queue) >= self._most or self._closing, max(0.0, left_s)
                )
            return [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]

    def _answer(self, batch: list[_Accepted[Item, Answer]]) -> None:
        for each, answer in zip(batch, self._answers([each.item for each in batch]), strict=True):
            if isinstance(answer, Exception):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)

    def _answers(self, items: list[Item]) -> Sequence[Answer | Exception]:
        started_s = time.perf_counter()
        try:
            answers = self._run(items)
            if len(answers) != len(items):
                raise CountsDoNotCloseError(
                    f"{self._name} gave {len(answers)} answers to {len(items)} requests"
                )
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait hear of it, and the thread goes on
            if len(items) == 1:
                return [as_exception(error, self._name)]
            return [self._answers([item])[0] for item in items]
        self._note(len(items), time.perf_counter() - started_s)
        return answers

    def _note(self, items: int, seconds: float) -> None:
        self._seconds_an_item += _SMOOTHING * (seconds / items - self._seconds_an_item)
        try:
            if self._told is not None:
                self._told(items, seconds)
        except Exception:  # noqa: BLE001 - the items are answered, whatever whoever is told makes of it
            _log.exception("a call of %s could not be told", self._name)


def as_exception(error: BaseException, name: str) -> Exception:
    """What those who wait are told: panics of libraries written in Rust are no `Exception`, and would end their threads."""
    if isinstance(error, Exception):
        return error
    broken = RuntimeError(f"{name} broke off: {error!r}")
    broken.__cause__ = error
    return broken
