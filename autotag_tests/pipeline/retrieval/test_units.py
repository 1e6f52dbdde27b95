from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.pipeline.retrieval.units import (
    MOST_IMAGES,
    UNITS_A_WORKER,
    UnitFiles,
    cut_units,
    unit_size,
)
from autotag.storage.tables import read_table


@given(st.integers(1, 5_000_000), st.integers(2, 512), st.integers(1, 256))
def test_no_worker_is_idle_while_another_has_a_row_of_batches(images: int, workers: int, batch: int) -> None:
    size = unit_size(images, workers, batch)
    units = -(-images // size)
    assert 1 <= size <= MOST_IMAGES
    assert units >= min(workers, images)
    if images >= workers * UNITS_A_WORKER * batch:
        assert size >= min(batch, MOST_IMAGES)
        assert units >= workers * UNITS_A_WORKER


def test_one_worker_takes_units_of_full_size() -> None:
    assert unit_size(10, 1, 4) == MOST_IMAGES


def names(*files: str) -> pa.Table:
    return pa.table({"file": pa.array(files, pa.string())})


def files_of(directory: UPath, units: list[str]) -> list[list[str]]:
    return [read_table(UnitFiles(directory, unit).todo)["file"].to_pylist() for unit in units]


def test_units_hold_every_row_once(tmp_path: Path) -> None:
    here = UPath(tmp_path / "parts")
    assert files_of(here, cut_units(here, names("a", "b", "c", "d", "e"), 2)) == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


def test_units_of_a_killed_command_stay_as_they_were(tmp_path: Path) -> None:
    here = UPath(tmp_path / "parts")
    first, second = cut_units(here, names("b", "c", "d", "e"), 2)
    again = cut_units(here, names("a", "d", "e", "f"), 3)
    assert again[0] == second
    assert first not in again
    assert files_of(here, again) == [["d", "e"], ["a", "f"]]


def test_of_units_left_that_share_a_row_one_is_gone_on_with(tmp_path: Path) -> None:
    here = UPath(tmp_path / "parts")
    cut_units(here, names("a", "b"), 2)
    cut_units(here, names("b", "c"), 2)  # a was gone for a while
    again = files_of(here, cut_units(here, names("a", "b", "c"), 2))
    assert sorted(name for files in again for name in files) == ["a", "b", "c"]
