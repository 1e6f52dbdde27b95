from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.roots import layout_of
from autotag_tests.review.sheet.desk import Desk


@pytest.fixture
def desk(settings: Settings, tmp_path: Path) -> Iterator[Desk]:
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        yield Desk(layout_of(settings), ledger, tmp_path)
