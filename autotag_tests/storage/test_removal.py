import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from upath import UPath

from autotag.storage.removal import (
    keep_only,
    names_there,
    remove_file,
    remove_stale_temporaries,
    remove_tree,
    temporary_name,
)

AWKWARD = ["a[1].jpg", "a*.jpg", "a?.jpg", "plain.jpg", "~x", "-rf"]


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    directory = UPath(tmp_path / "r") if request.param == "local" else UPath(f"memory://{tmp_path.name}/r")
    for name in AWKWARD:
        (directory / name).mkdir(parents=True)
        (directory / name / "001.jpg").write_bytes(b"x")
    return directory


def left(root: UPath) -> list[str]:
    return sorted(path.removeprefix(root.path.rstrip("/") + "/") for path in root.fs.find(root.path))


def test_names_are_taken_as_they_are_and_not_as_patterns(root: UPath) -> None:
    remove_tree(root / "a*.jpg")
    remove_file(root / "a[1].jpg" / "001.jpg")
    assert left(root) == sorted(f"{name}/001.jpg" for name in AWKWARD if name not in ("a*.jpg", "a[1].jpg"))


def test_only_what_is_named_is_kept(root: UPath) -> None:
    (root / "plain.jpg" / ".001.jpg.tmp").write_bytes(b"x")
    keep_only(root, {"plain.jpg/001.jpg", "-rf/001.jpg"})
    assert left(root) == ["-rf/001.jpg", "plain.jpg/001.jpg"]


def test_folders_that_are_left_empty_go(tmp_path: Path) -> None:
    (tmp_path / "crops" / "a" / "b").mkdir(parents=True)
    keep_only(UPath(tmp_path / "crops"), set())
    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_not_there_is_no_error(root: UPath) -> None:
    for name in ("absent", "absent/x"):
        remove_file(root / name)
        remove_tree(root / name)
        keep_only(root / name, {"a"})


def stale(path: Path, process: int) -> Path:
    """A temporary of that file, as that process would name its own."""
    temporary = path.with_name(temporary_name(path.name, "abc").replace(f".{os.getpid()}.", f".{process}."))
    temporary.write_bytes(b"half")
    return temporary


def test_the_temporary_of_a_corpse_that_nobody_collected_is_swept_up(tmp_path: Path) -> None:
    corpse = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(corpse.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    temporary = stale(tmp_path / "t.parquet", corpse.pid)
    remove_stale_temporaries(tmp_path / "t.parquet")
    assert not temporary.exists()
    corpse.wait()


def test_a_later_process_of_the_same_number_is_not_the_writer(tmp_path: Path) -> None:
    temporary = stale(tmp_path / "t.parquet", os.getpid())
    remove_stale_temporaries(tmp_path / "t.parquet")
    assert temporary.exists()
    os.utime(temporary, (0, psutil.Process().create_time() - 60))
    remove_stale_temporaries(tmp_path / "t.parquet")
    assert not temporary.exists()


@pytest.mark.parametrize("store", ["local", "memory"])
def test_files_that_are_there_are_told_from_those_that_are_not_or_have_lost_their_content(
    store: str, tmp_path: Path
) -> None:
    directory = UPath(tmp_path / "d") if store == "local" else UPath("memory://names-there/d")
    assert names_there(directory, ["a"]) == set()
    for name in ("a.jpg", "-b [*].jpg", "c.jpg"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"x")
    (directory / "lost.jpg").write_bytes(b"")
    wanted = ["a.jpg", "-b [*].jpg", "missing.jpg", "lost.jpg"]
    assert names_there(directory, wanted) == {"a.jpg", "-b [*].jpg"}
