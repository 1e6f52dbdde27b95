"""The catalog on OpenSearch keeps the contract, on the double."""

from autotag_tests.catalog.contract import CatalogContract


class TestOpenSearchCatalog(CatalogContract):
    """On the double of `conftest.py`."""
