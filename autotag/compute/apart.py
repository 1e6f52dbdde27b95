"""A process of its own for work that may kill it: kept from call to call, replaced once it has died."""

import atexit
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from autotag.errors import PermanentError

_Result = TypeVar("_Result")

GRACE_S = 2.0
"""From being asked to end until it is ended: time to put journals right, and less than a lock is waited for."""

LOOK_INTERVAL_S = 1.0
"""How soon a death is noticed that no pipe tells of."""


class ProcessDiedError(Exception):
    """The process ended before its call did."""


class ApartProcess:
    """A new interpreter that answers calls one after the other, from one thread; it ends with this process.

    Attributes:
        is_open: whether it has been needed since it was last closed.
    """

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self.is_open = False

    def call(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """What `function` returns or raises there. Interrupted, the process is asked to end, and soon made to.

        Args:
            function: importable.
            arguments: picklable, as is the result.

        Raises:
            ProcessDiedError: the process died of the call; the message tells of what. The next call has a new one.
            PermanentError: no process can be started.
        """
        try:
            process, connection = self._running()
            connection.send((function, arguments))
            is_result, answer = _received(process, connection)
        except (EOFError, ConnectionError):
            raise ProcessDiedError(_cause(self._buried())) from None
        except Exception:  # what cannot be pickled: the process knows nothing of it
            raise
        except BaseException:
            self._end()
            raise
        if is_result:
            return answer
        raise answer

    def close(self) -> None:
        """End the process."""
        self._end()
        self.is_open = False

    def _running(self) -> tuple[SpawnProcess, Connection]:
        if self._process is not None and self._connection is not None and self._process.is_alive():
            return self._process, self._connection
        self._end()
        context = multiprocessing.get_context("spawn")  # a fork would share threads, devices and open files
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="autotag apart", daemon=True)
        if not self.is_open:
            atexit.unregister(self.close)
            atexit.register(self.close)  # before multiprocessing's own, which would wait for ever
        self._process, self._connection, self.is_open = process, ours, True
        process.start()
        theirs.close()
        try:
            _received(process, ours)
        except EOFError:
            code = self._buried()
            if code < 0:
                raise ProcessDiedError(_cause(code)) from None
            raise PermanentError(
                f"no process of its own could be started ({_cause(code)}); it has told why on standard error:"
                " the program that runs autotag must be importable, its start behind `if __name__ == '__main__'`"
            ) from None
        return process, ours

    def _buried(self) -> int:
        """Exit code of the process, which has ended or is about to."""
        process = self._process
        if process is None:
            return 0
        process.join(GRACE_S)
        self._end()
        return process.exitcode or 0

    def _end(self) -> None:
        """Ask it to end, so that its journals say that no image is at fault; then make it."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is not None and process.pid is not None:
            process.terminate()
            process.join(GRACE_S)
            process.kill()
            process.join()
        if connection is not None:
            connection.close()


def _received(process: SpawnProcess, connection: Connection) -> tuple[bool, Any]:
    """The next answer. Not `recv` alone: what the process has forked may outlive it and hold its ends of all pipes.

    Raises:
        EOFError: the process is dead, also where it died in the midst of an answer.
    """
    answer: Future[bytes] = Future()
    receiver = threading.Thread(
        target=_receive, args=(connection, answer), name="answer from apart", daemon=True
    )
    receiver.start()
    try:
        while receiver.is_alive() and process.is_alive():
            receiver.join(LOOK_INTERVAL_S)
    finally:
        if receiver.is_alive():
            _expect_no_more(connection)
        receiver.join()
    try:
        data = answer.result()
    except OSError as error:
        raise EOFError from error
    return pickle.loads(data)


def _receive(connection: Connection, answer: "Future[bytes]") -> None:
    """Of a thread: who holds the other end may let it wait in the midst of an answer."""
    try:
        answer.set_result(connection.recv_bytes())
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it
        answer.set_exception(error)


def _expect_no_more(connection: Connection) -> None:
    """What has come can still be received; then it ends, whoever holds the other end."""
    with socket.socket(fileno=os.dup(connection.fileno())) as pipe:
        pipe.shutdown(socket.SHUT_RD)


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the caller ends this process
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection.send((True, None))
    while True:
        try:
            function, arguments = connection.recv()
            connection.send((True, function(*arguments)))
        except (EOFError, ConnectionError):
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            connection.send((False, _portable(error)))


def _leave(signal_number: int, frame: object) -> None:
    """As an exception, so that what is open is closed."""
    del frame
    raise SystemExit(128 + signal_number)


def _end_with_parent() -> None:
    parent, own = multiprocessing.parent_process(), threading.main_thread().ident
    if parent is not None and own is not None:
        wait([parent.sentinel])
        signal.pthread_kill(own, signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error with its trace as a note; in words where it cannot travel."""
    trace = "".join(traceback.format_exception(error)[-3:])
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - an error's own pickling may raise anything
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.add_note(trace)
    return copy


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
