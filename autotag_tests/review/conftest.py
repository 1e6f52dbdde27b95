from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import url_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    with TagLedger.open(url_of(tmp_path / "ledger.sqlite")) as opened:
        yield opened
