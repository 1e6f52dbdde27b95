import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _main_module_stays() -> Iterator[None]:
    """Streamlit's runner takes the place of `__main__`, which processes that other tests start would then look for."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
