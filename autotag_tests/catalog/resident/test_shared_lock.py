"""Readers share, a writer is alone."""

import threading
import time

import pytest

from autotag.catalog.resident.shared_lock import SharedLock

LONG_S = 5


class TestSharedLock:
    def test_readers_are_in_together(self) -> None:
        lock, met = SharedLock(), threading.Barrier(3)

        def read() -> None:
            with lock.shared():
                met.wait(LONG_S)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        met.wait(LONG_S)
        for thread in threads:
            thread.join()

    def test_nobody_sees_half_of_a_write(self) -> None:
        lock, pair, torn, done = SharedLock(), [0, 0], [], threading.Event()

        def write() -> None:
            for number in range(200):
                with lock.alone():
                    pair[0] = number
                    time.sleep(0)
                    pair[1] = number

        def read() -> None:
            while not done.is_set():
                with lock.shared():
                    if pair[0] != pair[1]:
                        torn.append(tuple(pair))

        readers = [threading.Thread(target=read) for _ in range(3)]
        writers = [threading.Thread(target=write) for _ in range(2)]
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join(LONG_S)
            assert not thread.is_alive()  # readers that keep coming do not keep a writer out
        done.set()
        for thread in readers:
            thread.join()
        assert not torn

    def test_it_is_free_after_a_failure(self) -> None:
        lock = SharedLock()
        for way in (lock.shared, lock.alone):
            try:
                with way():
                    raise ValueError
            except ValueError:
                pass
        with lock.alone():
            pass

    def test_a_writer_that_is_interrupted_while_it_waits_keeps_nobody_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = SharedLock()

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(lock._changed, "wait_for", interrupted)
            with pytest.raises(KeyboardInterrupt), lock.alone():
                pass
        came = threading.Event()

        def read() -> None:
            with lock.shared():
                came.set()

        threading.Thread(target=read, daemon=True).start()
        assert came.wait(LONG_S)
