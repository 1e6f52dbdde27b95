"""Calls a function in a process of its own, for work that may kill its process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class ProcessDiedError(Exception):
    """The process ended before its call did."""


def call_apart(call: Callable[..., _Result], *arguments: Any) -> _Result:
    """What `call` returns, from a new interpreter that ends with it.

    Args:
        call: importable; what it raises is printed and counts as a death.
        arguments: picklable, as is the result.

    Raises:
        ProcessDiedError: the process died; the message tells of what.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share threads, devices and open files
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, call, arguments), name="autotag apart")
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        raise ProcessDiedError(_cause(process.exitcode or 0)) from None
    finally:  # also where this process is told to stop
        process.kill()
        process.join()
        ours.close()


def _answer(theirs: Connection, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the caller ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    theirs.send(call(*arguments))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
