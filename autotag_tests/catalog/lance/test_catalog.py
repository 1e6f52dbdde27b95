"""The embedded catalog keeps the contract: as it is when small, and with its index in use."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.lance import nearest, upkeep
from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.protocol import UpsertOutcome
from autotag.catalog.resident import vector_codes
from autotag.domain.catalog_entries import CatalogImage
from autotag_tests.catalog.contract import CatalogContract
from autotag_tests.catalog.made_entries import DIM, MODEL

NEVER = 10**9


class TestLanceCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[LanceCatalog]:
        catalog = LanceCatalog(UPath(tmp_path / MODEL), MODEL, DIM, index_from=NEVER)
        yield catalog
        catalog.close()


class TestResidentLanceCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[LanceCatalog]:
        catalog = LanceCatalog(UPath(tmp_path / MODEL), MODEL, DIM, index_from=NEVER, memory_mb=100)
        catalog.warm_up()
        yield catalog
        catalog.close()


class TestResidentLanceCatalogWithCodes(TestResidentLanceCatalog):
    @pytest.fixture(autouse=True)
    def codes_for_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vector_codes, "EXACT_ROWS", 16)
        monkeypatch.setattr(vector_codes, "CANDIDATES", 50)


class _AlwaysIndexed(LanceCatalog):
    """Every upsert goes into the index at once."""

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        outcome = super().upsert(images)
        self.optimise()
        return outcome


@pytest.mark.slow
class TestIndexedLanceCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanceCatalog]:
        monkeypatch.setattr(nearest, "EXACT_ROWS", 0)
        monkeypatch.setattr(upkeep, "LOOSE_FRAGMENTS", 0)
        monkeypatch.setattr(upkeep, "LOOSE_ROWS", 0)
        catalog = _AlwaysIndexed(UPath(tmp_path / MODEL), MODEL, DIM, index_from=1)
        yield catalog
        catalog.close()
