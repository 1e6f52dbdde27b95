"""What every store has to do, as tests. A store's own test module plugs in:

class TestMyStore(CatalogContract):
    @pytest.fixture
    def catalog(self) -> Catalog: ...      # new and empty, of MODEL and DIM of made_entries
"""

from autotag_tests.catalog.contract_filters import FilterContract
from autotag_tests.catalog.contract_hostile import HostileContract
from autotag_tests.catalog.contract_reading import ReadingContract
from autotag_tests.catalog.contract_search import SearchContract
from autotag_tests.catalog.contract_writing import WritingContract


class CatalogContract(WritingContract, ReadingContract, SearchContract, FilterContract, HostileContract):
    """All of it."""
