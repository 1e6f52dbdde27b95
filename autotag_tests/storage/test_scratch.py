import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autotag.storage.scratch import scratch_directory

HOLD = """
import time
from autotag.storage.scratch import scratch_directory
with scratch_directory() as directory:
    (directory / "index.faiss").write_bytes(b"gigabytes")
    print(directory, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, also those of other processes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def holding() -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def test_it_is_there_and_then_gone(here: Path) -> None:
    with scratch_directory() as directory:
        (directory / "x").write_bytes(b"x")
        assert directory.parent == here
    assert list(here.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_others_hold_stays(here: Path) -> None:
    killed, left = holding()
    end(killed)
    living, held = holding()
    (here / "autotag-of-somebody").mkdir()
    try:
        assert not left.exists(), "the next one that is made takes it away"
        with scratch_directory():
            assert held.is_dir()
            assert (here / "autotag-of-somebody").is_dir()
    finally:
        end(living)


def test_a_link_of_such_a_name_is_not_followed(here: Path) -> None:
    process, left = holding()
    end(process)
    mine = here / "mine"
    left.rename(mine)
    left.symlink_to(mine)
    with scratch_directory():
        assert (mine / "index.faiss").is_file()


def test_where_nobody_may_look_around_it_is_made_all_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.scandir

    def scandir(place: str | int) -> object:
        if place == str(here):
            raise PermissionError
        return look(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with scratch_directory() as directory:
        assert directory.is_dir()
    assert not directory.exists()
