"""A catalog's table is made in one step, with the key that keeps two writers from inserting one region twice."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.lance import regions_table
from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.lance.columns import PRIMARY_KEY, REGION_ID, stamp_of
from autotag.catalog.lance.regions_table import RegionsTable
from autotag_tests.catalog.made_entries import DIM, MODEL


@pytest.fixture
def made(tmp_path: Path) -> RegionsTable:
    table = RegionsTable(UPath(tmp_path / MODEL), MODEL, DIM)
    table.make(nullcontext)
    return table


def test_it_has_its_key_from_its_first_version_on(made: RegionsTable) -> None:
    with made.answering() as table:
        assert (table.version, table.schema.field(REGION_ID).metadata) == (1, PRIMARY_KEY)
        with pytest.raises(ValueError, match="key is already set"):  # so LanceDB knows it by this mark
            table.set_unenforced_primary_key(REGION_ID)


@pytest.mark.parametrize("seen", [[], ["regions"]], ids=["not seen", "seen in time"])
def test_who_makes_it_at_the_same_time_finds_it_as_it_is(
    made: RegionsTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[str]
) -> None:
    tables = iter([[], seen])
    monkeypatch.setattr(regions_table, "_names", lambda _: next(tables))
    late = RegionsTable(UPath(tmp_path / MODEL), MODEL, DIM)
    late.make(nullcontext)
    with made.answering() as table, late.answering() as same:
        assert same.schema == table.schema
        assert same.version == 1


@pytest.mark.parametrize("turn", range(5))
def test_of_many_that_make_it_at_once_one_does(tmp_path: Path, turn: int) -> None:
    together, made, failures = threading.Barrier(4), [], []

    def make() -> None:
        together.wait()
        try:
            made.append(LanceCatalog(UPath(tmp_path / MODEL), MODEL, DIM, index_from=256))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    stamps = set()
    for catalog in made:
        with catalog._regions.answering() as table:
            stamps.add(stamp_of(table.schema))
    assert len(stamps) == 1
