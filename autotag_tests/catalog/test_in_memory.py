"""The catalog in memory keeps the contract that it is the measure of."""

import pytest

from autotag.catalog.in_memory import InMemoryCatalog
from autotag_tests.catalog.contract import CatalogContract
from autotag_tests.catalog.made_entries import DIM, MODEL


class TestInMemoryCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self) -> InMemoryCatalog:
        return InMemoryCatalog(MODEL, DIM)
