"""Files that the first of several writers makes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from upath import UPath

from autotag.errors import UnwritableRootError
from autotag.storage import run_records
from autotag.storage.run_records import write_once
from autotag_tests.storage.test_releases import s3_root  # noqa: F401 - a fixture


@pytest.mark.parametrize("root", ["local", "memory"])
def test_the_first_text_stays_and_the_second_writer_reads_it(tmp_path: Path, root: str) -> None:
    path = (UPath(tmp_path) if root == "local" else UPath(f"memory://{tmp_path.name}")) / "runs" / "a.json"
    assert write_once(path, "first") == "first"
    assert write_once(path, "second") == "first"
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


@pytest.mark.slow
def test_on_an_object_store_a_writer_that_saw_no_file_does_not_replace_one(s3_root: UPath) -> None:  # noqa: F811
    path = s3_root / "runs" / "a.json"
    assert write_once(path, "first") == "first"
    run_records._write_remote(path, b"second")
    assert write_once(path, "third") == "first"


def test_writers_that_start_together_all_read_the_same(tmp_path: Path) -> None:
    count = 8
    together = Barrier(count)

    def write(number: int) -> str:
        together.wait()
        return write_once(UPath(tmp_path / "a.json"), f"{number}" * 10_000)

    with ThreadPoolExecutor(count) as pool:
        read = set(pool.map(write, range(count)))
    assert len(read) == 1
    assert len(read.pop()) == 10_000
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert write_once(UPath(tmp_path / "a.json"), "first") == "first"
    assert write_once(UPath(tmp_path / "a.json"), "second") == "first"


@pytest.mark.parametrize("has_links", [True, False])
def test_only_its_owner_reads_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    write_once(UPath(tmp_path / "a.json"), "postgresql://ann:secret@host/tags")
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


def test_a_root_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(UnwritableRootError, match=r"runs.*cannot be written"):
        write_once(UPath(tmp_path / "runs" / "a.json"), "text")
