"""Work beside the requests and the pages, in threads that the end of the process does not wait for, as it does for those of a pool."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")


def in_background(work: Callable[[], Answer], name: str) -> Future[Answer]:
    """Begin it now, in a thread of this name; what comes of it, or what it raised."""
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            made = work()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the answer is told
            answer.set_exception(error)
        else:
            answer.set_result(made)

    Thread(target=run, name=name, daemon=True).start()
    return answer
