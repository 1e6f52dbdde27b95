"""One writer at a time; a file system without locks is told from one that refuses."""

import errno
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from upath import UPath

from autotag.catalog.lance import write_lock
from autotag.catalog.lance.write_lock import LOCK, WriteLock
from autotag.errors import CatalogUnavailableError, UnwritableRootError
from autotag.file_locks import WITHOUT_LOCKS


class TestWriteLock:
    def test_who_holds_it_is_alone(self, tmp_path: Path) -> None:
        with WriteLock(UPath(tmp_path)).held() as alone:
            assert alone
            with pytest.raises(TimeoutError):
                FileLock(tmp_path / LOCK).acquire(timeout=0)
        FileLock(tmp_path / LOCK).acquire(timeout=0).lock.release()

    def test_a_writer_that_does_not_end_is_told_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(write_lock, "PATIENCE_S", 0.05)
        with (
            FileLock(tmp_path / LOCK),
            pytest.raises(CatalogUnavailableError, match="another process"),
            WriteLock(UPath(tmp_path)).held(),
        ):
            pytest.fail("held by two")

    def test_threads_take_turns(self, tmp_path: Path) -> None:
        lock, inside, most = WriteLock(UPath(tmp_path)), [], []

        def work() -> None:
            for _ in range(20):
                with lock.held():
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1] * 80

    def test_an_object_store_and_a_place_that_is_gone_promise_nothing(self, tmp_path: Path) -> None:
        for root in (UPath("memory://nowhere"), UPath(tmp_path / "gone")):
            with WriteLock(root).held() as alone:
                assert not alone
        assert not (tmp_path / "gone").exists()

    @pytest.mark.parametrize("error", [NotImplementedError("no flock"), *sorted(WITHOUT_LOCKS)])
    def test_a_file_system_without_locks_promises_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | int
    ) -> None:
        self.refusing(monkeypatch, OSError(error, "no locks") if isinstance(error, int) else error)
        with WriteLock(UPath(tmp_path)).held() as alone:
            assert not alone

    def test_a_file_system_that_refuses_is_told_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.refusing(monkeypatch, PermissionError(errno.EACCES, "Permission denied"))
        with (
            pytest.raises(UnwritableRootError, match=r"Permission denied.*\[paths\] catalog"),
            WriteLock(UPath(tmp_path)).held(),
        ):
            pytest.fail("held all the same")

    @staticmethod
    def refusing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def refuse(self: FileLock, timeout: float) -> None:
            raise error

        monkeypatch.setattr(FileLock, "acquire", refuse)
